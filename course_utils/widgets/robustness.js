// A robustness trial in the page. The kernel gets one question at a time, for a portion of the digits at the settings
// of that moment; the next one waits for its answer however long that takes, so none queue up while the slider moves.

const PATIENCE = 300; // ms before the page says that it waits
const HEIGHT = 236; // of the plot
const NOTE =
  "Each row is an attacker: choose one to send it in. A bar shows how many digits stay right, and the 95 % interval " +
  "for the fraction of all digits; “all together” counts those that no attack of the list got at this eps. " +
  "A better attack may leave less, but never less than what is proved.";

const percent = (fraction) => `${Number((100 * fraction).toFixed(1))} %`;

const SHAPES = { // of points, of radius 1: those of matplotlib
  s: "M-1-1h2v2h-2z",
  "^": "M0-1.2l1.2 2.2h-2.4z",
  v: "M0 1.2l1.2-2.2h-2.4z",
  D: "M0-1.4l1.4 1.4-1.4 1.4-1.4-1.4z",
  P: "M-.5-1.3h1v.8h.8v1h-.8v.8h-1v-.8h-.8v-1h.8z",
  o: "M-1.1 0a1.1 1.1 0 1 0 2.2 0a1.1 1.1 0 1 0-2.2 0z",
};

function point(parent, [hue, shape], x, y, r) {
  const place = `translate(${x} ${y}) scale(${r})`;
  svg(parent, "path", { class: "robustness-point", style: `fill: ${hue}`, d: SHAPES[shape], transform: place });
}

// Accuracy against eps: a curve for each attacker tried, the chosen one in front and with its intervals.
function accuracies(root, width, { curves, looks, floor, claim, clean, most, settings }) {
  const across = [0, 0.25, 0.5, 0.75, 1].map((at) => [at, Number((at * most).toFixed(2))]);
  const up = [[0, "0 %"], [0.5, "50 %"], [1, "100 %"]];
  const form = { across, up, label: "eps", left: 50, bottom: 38, edge: 13, grid: true };
  const { x, y, path, line, dot, text } = axes(root, width, HEIGHT, form);
  if (floor) {
    const edge = floor.map((fraction, i) => [i / (floor.length - 1), fraction]);
    line("robustness-proof", [[0, 0], ...edge, [1, 0]]);
    line("robustness-proof-edge", edge);
  }
  path("course-here", `M${x(settings.eps / most)} ${y(0)}V${y(1)}`);
  const others = Object.keys(looks).filter((name) => name !== settings.attacker);
  for (const name of [...others, settings.attacker]) {
    const own = name === settings.attacker;
    const group = svg(root, "g", { class: own ? "robustness-own" : "robustness-other", stroke: looks[name][0] });
    line("", curves[name].map(([eps, fraction]) => [eps / most, fraction]), group);
    for (const [eps, fraction, low, high] of curves[name].slice(1)) {
      if (own) path("robustness-whisker", `M${x(eps / most)} ${y(low)}V${y(high)}`, group);
      point(group, looks[name], x(eps / most), y(fraction), own ? 4 : 3);
    }
  }
  dot("robustness-clean", [0, clean.fraction], 5);
  if (floor?.[Math.round(0.2 * floor.length)] > 0.1) text(x(0) + 9, y(0) - 7, "proved", "start", "course-green");
  if (claim) {
    const [px, py, right] = [x(claim.eps / most), y(claim.accuracy), claim.eps > most / 2];
    dot("robustness-claimed", [claim.eps / most, claim.accuracy], 5.5);
    text(right ? px - 10 : px + 10, py + (py < 30 ? 16 : -8), "claimed", right ? "end" : "start");
  }
}

// A row of the board: a name, a bar, a number. An attacker can be chosen.
function rank(board, id, name, look, className = "", chosen = null) {
  const row = add(board, chosen ? "label" : "div", `robustness-rank ${className}`);
  const label = add(row, "span", "robustness-name");
  const radio = chosen && add(label, "input", "", { type: "radio", name: id, value: name, "aria-label": name });
  if (look[1]) point(svg(label, "svg", { width: 16, height: 16, "aria-hidden": "true" }), look, 8, 8, 5);
  add(label, "span", "", {}, name);
  const track = add(row, "span", "course-track", { "aria-hidden": "true" });
  const bar = add(track, "span", "robustness-bar", { style: `background: ${look[0]}` });
  const whisker = add(track, "span", "robustness-ends");
  const text = add(row, "span", "robustness-number", { id: `${id}-${name.replaceAll(" ", "-")}` });
  radio?.setAttribute("aria-describedby", text.id);
  radio?.addEventListener("change", () => radio.checked && chosen(name));

  function fill(count, missing = "") {
    bar.style.width = count ? `${100 * count.fraction}%` : 0;
    whisker.hidden = !count;
    if (count) Object.assign(whisker.style, { left: `${100 * count.low}%`, right: `${100 - 100 * count.high}%` });
    text.textContent = count ? `${count.right} of ${count.done}` : missing;
    text.classList.toggle("robustness-missing", !count);
  }

  return { row, radio, fill };
}

// The rows of the board: clean digits, each attacker, all attackers together. What is claimed stands above the bars of
// the attackers and runs through them, what is proved stands below. Returns what fills them.
function ranks(board, id, looks, chosen) {
  const edge = (what) => {
    const row = add(board, "div", "robustness-rank robustness-edge", { "aria-hidden": "true" });
    add(row, "span");
    const place = `left: var(--${what}); transform: translateX(calc(-1 * var(--${what})))`;
    const text = add(add(row, "span", "course-track"), "span", "robustness-mark", { style: place });
    return (fraction) => {
      board.toggleAttribute(`data-${what}`, fraction !== null);
      board.style.setProperty(`--${what}`, `${100 * fraction}%`);
      text.textContent = fraction === null ? "" : `${what} ${percent(fraction)}`;
    };
  };
  const clean = rank(board, id, "clean digits", ["#0072b2", "o"]);
  const claim = edge("claimed");
  const tried = (name, look, act) => rank(board, id, name, look, "robustness-tried", act);
  const rows = Object.entries(looks).map(([name, look]) => [name, tried(name, look, chosen)]);
  const together = tried("all together", ["var(--ink)", ""]);
  const proof = edge("proved");
  return (now, settings) => {
    const { eps } = now.settings;
    claim(now.claim && eps <= now.claim.eps + 1e-6 ? now.claim.accuracy : null);
    proof(now.floor ? now.floor[Math.round(100 * eps)] : null);
    clean.fill(now.clean);
    for (const [name, { row, radio, fill }] of rows) {
      fill(now.rows[name], name === now.settings.attacker && now.trouble ? "failed" : "not yet");
      row.classList.toggle("robustness-partial", Boolean(now.rows[name]) && now.rows[name].done < now.total);
      row.classList.toggle("robustness-chosen", name === settings.attacker);
      radio.checked = name === settings.attacker;
    }
    together.fill(now.together);
  };
}

// The first digits after the attack, and what the net says.
function show(parent, { digits, shape, picture }) {
  parent.replaceChildren();
  digits.forEach(([label, named], i) => {
    const right = label === named;
    const figure = add(parent, "figure", right ? "robustness-right" : "robustness-wrong");
    const what = `a ${label}: the net says ${named}, ${right ? "right" : "wrong"}`;
    const canvas = add(figure, "canvas", "course-pixels", { role: "img", "aria-label": what });
    paint(canvas, picture, shape, i);
    add(figure, "figcaption", "", { "aria-hidden": "true" }, right ? `✓ ${named}` : `✗ ${named}, not ${label}`);
  });
}

export default () => {
  let held = false; // a question is on its way, however long it takes
  let moved = false; // the settings, since the kernel was last asked
  let settings = null; // as they stand in the page
  let since = 0; // when the work on these settings began
  let timer = 0;
  const trial = shared({ keep, idle, failed });
  const { draw, update, say } = trial;

  const same = (one) => ["net", "attacker", "eps"].every((name) => one[name] === settings[name]);
  const reached = () => same(trial.now.settings);
  const working = () => Boolean(trial.now) && !trial.trouble && (!reached() || trial.now.done < trial.now.total);

  function idle() {
    if (held || !settings || !(moved || working())) return null;
    [held, moved] = [true, false];
    return { do: "attack", ...settings };
  }

  function keep(message, buffers, mine) {
    if (mine) held = false;
    if (!settings || !(mine || moved)) settings = message.settings;
    if (same(message.settings)) trial.trouble = message.trouble;
    since ||= performance.now();
    return { ...message, picture: bytesOf(buffers[0]) };
  }

  function failed(text) {
    if (text !== NO_ANSWER) held = false;
    if (moved) trial.trouble = "";
  }

  function set(changed) {
    settings = { ...settings, ...changed };
    [moved, trial.trouble, since] = [true, "", performance.now()];
    clearTimeout(timer);
    timer = setTimeout(draw, PATIENCE);
    update();
  }

  function render({ el }) {
    const root = panel(el, "robustness");
    const id = `robustness-${Math.random().toString(36).slice(2)}`;
    const fields = add(root, "div", "course-fields");
    const net = choice(fields, "defense", (name) => set({ net: name }));
    const eps = slider(fields, "eps, the largest change of a pixel", { max: 1, step: 0.01 }, (at) => set({ eps: at }));
    const claim = add(root, "div", "robustness-claim");
    const panels = add(root, "div", "robustness-panels");
    const board = add(panels, "fieldset");
    const title = add(board, "legend", "course-title");
    const figure = add(panels, "figure");
    const caption = add(figure, "figcaption", "course-title");
    const plot = chart(figure, "", HEIGHT, (box, width) => trial.now && accuracies(box, width, trial.now));
    const below = add(root, "div", "robustness-below");
    const line = status(below);
    const again = button(below, "Try again", () => set({}));
    const heading = add(root, "div", "course-title");
    const digits = add(root, "div", "robustness-digits");
    add(root, "p", "course-note", {}, NOTE);
    let fill = null;
    let drawn = null;

    function words() {
      if (!working()) return trial.now.says;
      if (performance.now() - since < PATIENCE) return line.textContent; // it may stay a little longer
      const done = reached() ? trial.now.done : 0;
      return `${settings.attacker} is at work against ${settings.net}: ${done} of ${trial.now.total} digits …`;
    }

    function view() {
      const { now, trouble } = trial;
      say(line, words, working());
      again.hidden = !trouble || [NO_ANSWER, GONE].includes(trouble);
      net.disabled = eps.input.disabled = !now;
      if (!now) return;
      fill ??= ranks(board, id, now.looks, (name) => set({ attacker: name }));
      offer(net, now.nets, settings.net);
      eps.input.max = now.most;
      eps.set(settings.eps, settings.eps.toFixed(2));
      fill(now, settings);
      digits.classList.toggle("robustness-stale", !reached());
      if (drawn === now) return;
      drawn = now;
      const { net: name, attacker } = now.settings;
      const at = now.settings.eps.toFixed(2);
      title.textContent = `Right at eps = ${at}`;
      caption.textContent = `Right against eps: ${name}`;
      claim.textContent = now.claim?.text ?? "";
      claim.classList.toggle("robustness-fallen", Boolean(now.claim?.fallen));
      const tried = Object.entries(now.curves).filter(([, points]) => points.length > 1);
      const all = (points) => points.map(([x, fraction]) => `${percent(fraction)} at ${x}`).join(", ");
      const each = tried.map(([one, points]) => `${one}: ${all(points)}`).join("; ") || "Nothing tried yet";
      plot.draw(`Digits of ${name} that stay right, against eps. ${each}.`);
      const when = now.done ? `after ${attacker} at eps = ${at}` : "before any attack";
      heading.textContent = `The first digits ${when}, and what the net says`;
      show(digits, now);
    }

    return trial.view(view, plot.end);
  }

  return { initialize: trial.initialize, render };
};
