// The quiz in the page. A trial is a cross, a picture, a mask and two questions, timed by the screen's frames. All
// views share the answers; every message holds all of them.

const CROSS = 700; // ms; with the mask, two pictures are over a second apart, however quick the hand
const MASK = 300;
const HOW = (last) =>
  "Look at the cross. A picture flashes up and is covered at once. Then say which digit it was, 0 to " +
  `${last}, or none of them, and how sure you are: by key, mouse or finger. Escape pauses.`;
const FLASHES =
  "There is never more than one picture in a second. If flashing light can harm you, choose 2 s, or leave this to " +
  "others: the lesson shows all pictures on its page without a kernel.";
const LATE =
  "The kernel has not kept your last answers yet. If it is busy, go on. If it was restarted, run this cell again: " +
  "the answers before that are still there.";

// Blocks of the darkest and the brightest grey of a picture, each with one chance in two.
function maskOf(bytes, [channels, height, width]) {
  const block = Math.max(1, Math.round(Math.min(height, width) / 14));
  const ends = bytes.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [255, 0]);
  const across = Math.ceil(width / block);
  const random = () => ends[Math.floor(2 * Math.random())];
  const greys = Array.from({ length: across * Math.ceil(height / block) * channels }, random);
  return bytes.map((_, i) => {
    const [pixel, channel] = [Math.floor(i / channels), i % channels];
    const [x, y] = [Math.floor((pixel % width) / block), Math.floor(pixel / width / block)];
    return greys[(y * across + x) * channels + channel];
  });
}

// Cross, picture, mask, by frames. `stage(phase)` shows one; `over(shown)` hears how many ms the picture stood: from the
// frame in which it came to the frame in which the mask took its place. Returns what stops it.
function present(wanted, stage, over) {
  const phases = [["cross", CROSS], ["flash", wanted], ["mask", MASK]];
  const [begun, gaps] = [[], []];
  let [last, due] = [null, 0];
  function tick(now) {
    gaps.push(now - (last ?? now));
    last = now;
    begun[0] ??= now;
    const frame = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)];
    if (now - begun.at(-1) + frame / 2 > phases[begun.length - 1][1]) { // the nearest whole number of frames
      if (begun.length === 3) return over(begun[2] - begun[1]);
      stage(phases[begun.length][0]);
      begun.push(now);
    }
    due = requestAnimationFrame(tick);
  }
  stage("cross");
  due = requestAnimationFrame(tick);
  return () => cancelAnimationFrame(due);
}

export default () => {
  let answers = []; // may be ahead of the kernel's
  let comparison = "";
  let wanted = null; // ms
  const quiz = shared({
    keep: (message, [buffer], mine) => {
      if (mine) quiz.trouble = message.trouble;
      if (!quiz.now || !mine) answers = message.answers;
      if (message.answers.length === answers.length) comparison = message.comparison;
      wanted ??= message.times[0];
      return quiz.now ?? { ...message, pictures: bytesOf(buffer) };
    },
    failed: (text) => {
      if (text === NO_ANSWER || text === GONE) quiz.trouble = LATE;
    },
  });

  function keep(all) {
    answers = all;
    comparison = "";
    quiz.wishes.length = 0; // the newest holds all
    quiz.want({ do: "keep", answers });
  }

  function render({ el }) {
    const root = panel(el, "quiz");
    const line = status(root, "course-title quiz-status");
    const main = add(root, "div", "course-beside");
    const label = "where the pictures flash up";
    const stage = add(main, "div", "quiz-stage", { tabindex: 0, role: "group", "aria-label": label });
    add(stage, "div", "quiz-cross", { "aria-hidden": "true" }, "+");
    const picture = add(stage, "canvas", "quiz-picture", { "aria-hidden": "true" });
    const mask = add(stage, "canvas", "quiz-mask", { "aria-hidden": "true" });
    const side = add(main, "div");
    const alarm = add(root, "p", "course-trouble", { role: "alert" });
    const outcome = add(root, "div", "quiz-outcome");
    let phase = "rest"; // or cross, flash, mask, label, sure
    let [current, said, shown, stop] = [null, null, 0, () => {}];
    let later = []; // seen before a pause: they come again at the end
    let sureToForget = false;
    const left = () => quiz.now.order.filter((k) => !answers.some((one) => one.picture === k));

    function go(to) {
      phase = to;
      stage.dataset.phase = to;
      if (!["flash", "mask"].includes(to)) show();
    }

    function next() {
      const rest = left();
      if (!rest.length) return go("rest");
      const { order, pictures, shape } = quiz.now;
      current = rest.find((k) => !later.includes(k)) ?? later.find((k) => rest.includes(k));
      const size = pictures.length / order.length;
      const bytes = pictures.subarray(current * size, (current + 1) * size);
      paint(picture, bytes, shape);
      paint(mask, maskOf(bytes, shape), shape);
      stage.focus({ preventScroll: true });
      stop = present(wanted, go, (ms) => {
        shown = ms;
        go("label");
      });
    }

    function pause() {
      if (phase === "rest") return;
      stop();
      if (phase !== "cross") later = [...later.filter((k) => k !== current), current];
      go("rest");
    }

    function choose(value) {
      if (phase === "label") {
        said = value;
        go("sure");
      } else if (phase === "sure") {
        const one = { picture: current, label: said, sure: value, wanted, shown: Math.round(10 * shown) / 10 };
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

    function rest(row) {
      const { times } = quiz.now;
      sureToForget &&= answers.length > 0;
      if (left().length) {
        const select = choice(row, "each for", (ms) => (wanted = Number(ms)));
        times.forEach((ms) => add(select, "option", "", { value: ms }, ms < 1000 ? `${ms} ms` : `${ms / 1000} s`));
        select.value = wanted;
        button(row, answers.length || later.length ? "Go on" : "Start", next, "course-first");
      }
      if (!answers.length) return;
      button(row, sureToForget ? `Forget all ${answers.length} answers` : "Start over", () => {
        if (sureToForget) {
          later = [];
          keep([]);
        }
        sureToForget = !sureToForget;
        quiz.draw();
      });
    }

    function ask() {
      const { classes, sure } = quiz.now;
      const digits = Array.from({ length: classes }, (_, k) => [k, String(k)]);
      const grades = sure.map((name, k) => [k + 1, `${k + 1} ${name}`, true]);
      const how = `You say ${said ?? "none of them"}. How sure are you?`;
      if (phase === "label") {
        question("What was it?", [...digits, [null, "none of them", true]], "Keys: the digit, or n for none.");
      } else if (phase === "sure") question(how, grades, "Keys: 1 to 4. Backspace to correct the answer.");
      else add(side, "p", "", {}, "Look at the cross.");
    }

    function show() {
      alarm.textContent = quiz.trouble;
      outcome.hidden = phase !== "rest" || !comparison;
      if (outcome.dataset.html !== comparison) outcome.innerHTML = outcome.dataset.html = comparison;
      if (!quiz.now) return void (line.textContent = "Waiting for the kernel.");
      const all = quiz.now.order.length;
      const [resting, open] = [phase === "rest", left().length > 0];
      const focused = root.contains(document.activeElement);
      side.replaceChildren();
      stage.hidden = resting && !open;
      if (resting && open) {
        line.textContent = `${answers.length} of ${all} pictures answered.`;
        add(side, "p", "", {}, HOW(quiz.now.classes - 1));
        add(side, "p", "", {}, FLASHES);
      } else if (resting) line.textContent = `All ${all} pictures answered: you against the network.`;
      else {
        line.textContent = `Picture ${answers.length + 1} of ${all}`;
        ask();
      }
      const row = add(side, "div", "course-row");
      if (resting) rest(row);
      else button(row, "Pause", pause);
      if (focused && !root.contains(document.activeElement)) stage.focus({ preventScroll: true });
    }

    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
      const number = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
      if (event.key === "Escape") pause();
      else if (phase === "label" && event.key.toLowerCase() === "n") choose(null);
      else if (phase === "label" && number !== null && number < quiz.now.classes) choose(number);
      else if (phase === "sure" && number >= 1 && number <= quiz.now.sure.length) choose(number);
      else if (phase === "sure" && event.key === "Backspace") go("label");
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const hidden = () => document.hidden && ["cross", "flash", "mask"].includes(phase) && pause();
    document.addEventListener("visibilitychange", hidden);
    const mine = () => { // no button is taken from under a finger
      if (phase === "rest") show();
      else alarm.textContent = quiz.trouble;
    };
    return quiz.view(mine, () => {
      stop();
      document.removeEventListener("visibilitychange", hidden);
    });
  }

  return { initialize: quiz.initialize, render };
};
