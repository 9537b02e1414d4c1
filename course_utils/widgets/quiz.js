// The quiz in the page. A trial is a cross, a picture, a mask and two questions, timed by the screen's frames. All
// views share the answers; every message holds all of them.

const CROSS = 700; // ms; with the mask, two pictures are over a second apart, however quick the hand
const MASK = 300;
const RUNNING = ["cross", "flash", "mask", "label", "sure"];

// Blocks of the darkest and the brightest grey of a picture, each with one chance in two.
function maskOf(bytes, [channels, height, width]) {
  const block = Math.max(1, Math.round(Math.min(height, width) / 14));
  const [low, high] = bytes.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [255, 0]);
  const across = Math.ceil(width / block);
  const greys = Array.from({ length: across * Math.ceil(height / block) * channels }, () => (Math.random() < 0.5 ? low : high));
  return Uint8Array.from(bytes, (_, i) => {
    const [pixel, channel] = [Math.floor(i / channels), i % channels];
    const [x, y] = [Math.floor((pixel % width) / block), Math.floor(pixel / width / block)];
    return greys[(y * across + x) * channels + channel];
  });
}

function middle(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

// Cross, picture, mask, by frames. `stage(phase)` shows one; `over(shown)` hears how many ms the picture stood: from the
// frame in which it came to the frame in which the mask took its place. Returns what stops it.
function present(wanted, stage, over) {
  let [began, on, off, last, due] = [null, null, null, null, 0];
  const gaps = [];
  function tick(now) {
    if (last !== null) gaps.push(now - last);
    last = now;
    began ??= now;
    if (on === null) {
      if (now - began >= CROSS) {
        on = now;
        stage("flash");
      }
    } else if (off === null) {
      if (now - on + middle(gaps) / 2 > wanted) { // the nearest whole number of frames
        off = now;
        stage("mask");
      }
    } else if (now - off >= MASK) {
      over(off - on);
      return;
    }
    due = requestAnimationFrame(tick);
  }
  stage("cross");
  due = requestAnimationFrame(tick);
  return () => cancelAnimationFrame(due);
}

function build(el) {
  const root = panel(el, "quiz");
  const line = status(root, "quiz-status");
  const main = add(root, "div", "quiz-main");
  const stage = add(main, "div", "quiz-stage", { tabindex: 0, role: "group", "aria-label": "where the pictures flash up" });
  add(stage, "div", "quiz-cross", { "aria-hidden": "true" }, "+");
  const picture = add(stage, "canvas", "quiz-picture", { "aria-hidden": "true" });
  const mask = add(stage, "canvas", "quiz-mask", { "aria-hidden": "true" });
  const side = add(main, "div", "quiz-side");
  const alarm = add(root, "p", "course-trouble", { role: "alert" });
  return { root, line, stage, picture, mask, side, alarm, outcome: add(root, "div", "quiz-outcome") };
}

export default () => {
  const views = new Set();
  const wishes = [{ do: "show" }];
  let now = null; // the first answer of the kernel: pictures, their order, times and words
  let answers = []; // may be ahead of the kernel's
  let comparison = "";
  let trouble = "";
  let wanted = null; // ms

  const { ask, initialize } = conversation(() => wishes.shift() ?? null, hear, late);

  function keep(all) {
    answers = all;
    comparison = "";
    wishes.length = 0; // the newest holds all
    wishes.push({ do: "keep", answers });
    ask();
  }

  function hear(message, buffers, mine) {
    if (mine) trouble = message.error ?? message.trouble;
    if (!message.error) {
      if (!now) {
        const bytes = bytesOf(buffers[0]);
        const size = bytes.length / message.order.length;
        now = { ...message, pictures: message.order.map((_, k) => bytes.slice(k * size, (k + 1) * size)) };
        answers = message.answers;
        wanted = message.times[0];
      } else if (!mine) answers = message.answers;
      if (message.answers.length === answers.length) comparison = message.comparison;
    }
    draw();
    ask();
  }

  function late() {
    trouble =
      "The kernel has not kept your last answers yet. If it is busy, go on. If it was restarted, run this cell again: " +
      "the answers before that are still there.";
    draw();
  }

  function draw() {
    views.forEach((view) => view());
  }

  function render({ el }) {
    const { root, line, stage, picture, mask, side, alarm, outcome } = build(el);
    let phase = "rest";
    let [current, label, shown, stop] = [null, null, 0, () => {}];
    let later = []; // seen before a pause: they come again at the end
    let sureToForget = false;
    const left = () => now.order.filter((k) => !answers.some((one) => one.picture === k));

    function go(to) {
      phase = to;
      stage.dataset.phase = to;
      if (!["flash", "mask"].includes(to)) show();
    }

    function next() {
      const rest = left();
      if (!rest.length) return go("rest");
      current = rest.find((k) => !later.includes(k)) ?? later.find((k) => rest.includes(k));
      paint(picture, now.pictures[current], now.shape);
      paint(mask, maskOf(now.pictures[current], now.shape), now.shape);
      stage.focus({ preventScroll: true });
      stop = present(wanted, go, (ms) => {
        shown = ms;
        go("label");
      });
    }

    function pause() {
      if (!RUNNING.includes(phase)) return;
      stop();
      if (phase !== "cross") later = [...later.filter((k) => k !== current), current];
      go("rest");
    }

    function choose(value) {
      if (phase === "label") {
        label = value;
        go("sure");
      } else if (phase === "sure") {
        const one = { picture: current, label, sure: value, wanted, shown: Math.round(10 * shown) / 10 };
        phase = "rest";
        if (left().includes(current)) keep([...answers, one]);
        next();
      }
    }

    function question(text, choices, hint) {
      add(side, "p", "", {}, text);
      const grid = add(side, "div", "quiz-buttons", { role: "group", "aria-label": text });
      for (const [value, name, wide] of choices) button(grid, name, () => choose(value), wide ? "quiz-wide" : "");
      add(side, "p", "", {}, hint);
    }

    function start(row) {
      const done = answers.length;
      if (left().length) {
        const time = add(row, "label", "", {}, "each for ");
        const select = add(time, "select", "");
        now.times.forEach((ms) => add(select, "option", "", { value: ms }, ms < 1000 ? `${ms} ms` : `${ms / 1000} s`));
        select.value = wanted;
        select.addEventListener("change", () => (wanted = Number(select.value)));
        button(row, done || later.length ? "Go on" : "Start", next, "course-first");
      }
      if (!done) return;
      button(row, sureToForget ? `Forget all ${done} answers` : "Start over", () => {
        if (sureToForget) {
          later = [];
          keep([]);
        }
        sureToForget = !sureToForget;
        draw();
      });
    }

    function show() {
      alarm.textContent = trouble;
      outcome.hidden = phase !== "rest" || !comparison;
      if (outcome.dataset.html !== comparison) outcome.innerHTML = outcome.dataset.html = comparison;
      if (!now) {
        line.textContent = "Waiting for the kernel.";
        return;
      }
      const all = now.order.length;
      const focused = root.contains(document.activeElement);
      side.replaceChildren();
      stage.hidden = phase === "rest" && !left().length;
      if (phase === "rest") {
        sureToForget &&= answers.length > 0;
        line.textContent = left().length ? `${answers.length} of ${all} pictures answered.` : `All ${all} pictures answered: you against the network.`;
        if (left().length) {
          const digits = `0 to ${now.classes - 1}`;
          add(side, "p", "", {}, `Look at the cross. A picture flashes up and is covered at once. Then say which digit it was, ${digits}, or none of them, and how sure you are: by key, mouse or finger. Escape pauses.`);
          add(side, "p", "", {}, "There is never more than one picture in a second. If flashing light can harm you, choose 2 s, or leave this to others: the lesson shows all pictures on its page without a kernel.");
        }
        start(add(side, "div", "course-row"));
      } else {
        line.textContent = `Picture ${answers.length + 1} of ${all}`;
        const numbers = Array.from({ length: now.classes }, (_, k) => [k, String(k)]);
        if (phase === "label") question("What was it?", [...numbers, [null, "none of them", true]], "Keys: the digit, or n for none.");
        else if (phase === "sure")
          question(`You say ${label ?? "none of them"}. How sure are you?`, now.sure.map((name, k) => [k + 1, `${k + 1} ${name}`, true]), "Keys: 1 to 4. Backspace to correct the answer.");
        else add(side, "p", "", {}, "Look at the cross.");
        button(add(side, "div", "course-row"), "Pause", pause);
      }
      if (focused && !root.contains(document.activeElement)) stage.focus({ preventScroll: true });
    }

    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
      const number = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
      if (event.key === "Escape") pause();
      else if (phase === "label" && event.key.toLowerCase() === "n") choose(null);
      else if (phase === "label" && number !== null && number < now.classes) choose(number);
      else if (phase === "sure" && number >= 1 && number <= now.sure.length) choose(number);
      else if (phase === "sure" && event.key === "Backspace") go("label");
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const hidden = () => document.hidden && ["cross", "flash", "mask"].includes(phase) && pause();
    document.addEventListener("visibilitychange", hidden);
    const mine = () => { // no button is taken from under a finger
      if (phase === "rest") show();
      else alarm.textContent = trouble;
    };
    views.add(mine);
    show();
    return () => {
      stop();
      document.removeEventListener("visibilitychange", hidden);
      views.delete(mine);
    };
  }

  return { initialize, render };
};
