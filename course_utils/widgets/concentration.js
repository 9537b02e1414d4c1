// The dimension slider in the page: exact laws as dashed lines, fresh samples as bars and steps. It needs no kernel.

const POINTS = 2000; // in a sample
const BINS = 45;
const MOST = 1000;
const HEIGHT = 190; // of a plot
const PRESETS = [2, 3, 10, 100, 784];
const EPSILONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

// Where the slider can stand: each whole number up to 20, then steps of about 4 %, and the presets.
function stops() {
  const all = new Set(PRESETS);
  for (let n = 1; n <= MOST; n = Math.max(n + 1, Math.round(n * 1.04))) all.add(n);
  return [...all.add(MOST)].sort((a, b) => a - b);
}

function trigamma(x) { // by its recurrence up to 10, then by the asymptotic series
  let sum = 0;
  for (; x < 10; x++) sum += 1 / (x * x);
  const y = 1 / (x * x);
  return sum + 1 / x + y / 2 + (y / x) * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y / 30)));
}

function exact(n, eps) {
  let inside = 0; // how much of the cube the ball fills, as a logarithm: two dimensions more multiply it by pi / 2n
  for (let k = n; k > 1; k -= 2) inside += Math.log10(Math.PI / (2 * k));
  const spread = (180 / Math.PI) * Math.sqrt(trigamma(n / 2) / 2);
  return { radius: 2 ** (-1 / n), spread, inside, above: n * Math.log10(1 - eps) };
}

// The distribution of the angle of two directions: sin^(n-2), summed by Simpson's rule over where it is not zero.
function angles(n) {
  if (n === 1) return (angle) => (angle < 0 ? 0 : angle < 180 ? 0.5 : 1);
  const [reach, cells] = [Math.min(Math.PI / 2, 9 / Math.sqrt(n)), 2000];
  const [step, sums] = [(2 * reach) / cells, [0]];
  const density = (k) => Math.max(Math.cos(k * step - reach), 0) ** (n - 2);
  for (let k = 0; k < cells; k++) sums.push(sums[k] + density(k) + 4 * density(k + 0.5) + density(k + 1));
  return (angle) => {
    const at = Math.min(Math.max(((angle - 90) * (Math.PI / 180) + reach) / step, 0), cells);
    const k = Math.min(Math.floor(at), cells - 1);
    return (sums[k] + (at - k) * (sums[k + 1] - sums[k])) / sums[cells];
  };
}

function normal() { // Box and Muller
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

// A sum of n squares of normals, in one go (Marsaglia and Tsang, ACM Trans. Math. Softw. 26, 363, 2000).
function squares(n) {
  if (n < 2) return n * normal() ** 2;
  const d = n / 2 - 1 / 3;
  for (;;) {
    const x = normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - Math.random()) < (x * x) / 2 + d * (1 - v + Math.log(v))) return 2 * d * v;
  }
}

// A direction is a normal vector, its angle one to the first axis; two coordinates more, and its first n are uniform in
// the ball. A vector of uniform numbers grows until it leaves the ball, and until one of them is below eps: `left` and
// `fell` say with which coordinate, so that one sample serves every n.
function sample(n, eps) {
  const seen = { lengths: [], angles: [], left: [], fell: [] };
  for (let i = 0; i < POINTS; i++) {
    const [first, others] = [normal(), squares(n - 1)];
    const square = first * first + others;
    seen.lengths.push(Math.sqrt(square / (square + squares(2))));
    seen.angles.push((Math.atan2(Math.sqrt(others), first) * 180) / Math.PI);
    let [sum, k, left, fell] = [0, 0, 0, 0];
    while (k < MOST && !(left && fell)) {
      const number = Math.random();
      k++;
      sum += number * number;
      if (!left && sum > 1) left = k;
      if (!fell && number <= eps) fell = k;
    }
    seen.left.push(left || MOST + 1);
    seen.fell.push(fell || MOST + 1);
  }
  return seen;
}

function fraction(log10) { // as fraction_text in concentration.py
  if (log10 > -3) return `${Number((100 * 10 ** log10).toPrecision(3))} %`;
  let power = Math.floor(log10);
  let front = (10 ** (log10 - power)).toFixed(1);
  if (front === "10.0") [front, power] = ["1.0", power + 1];
  return `${front} × 10${[...String(power)].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("")}`;
}

const digits = (value) => Number(value.toPrecision(3));
const radius = (value) => value.toFixed(Math.max(3, 1 - Math.floor(Math.log10(1 - value))));
const range = (number, f) => Array.from({ length: number }, (_, i) => f(i));

function ticks(low, high) {
  const rough = (high - low) / 3.5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => one >= rough);
  const first = Math.ceil(low / step - 1e-6);
  return range(Math.floor(high / step + 1e-6) - first + 1, (i) => Number(((first + i) * step).toFixed(8)));
}

function histogram(root, width, values, law, [low, high], at, label) {
  const bin = (high - low) / BINS;
  const counts = range(BINS, () => 0);
  for (const value of values) {
    if (value >= low && value <= high) counts[Math.min(Math.floor((value - low) / bin), BINS - 1)]++;
  }
  const bars = counts.map((count) => count / values.length);
  const expected = range(20 * (BINS - 1) + 1, (i) => { // from the middle of the first bin to that of the last
    const place = (i + 0.5 * 20) / (20 * BINS);
    const middle = low + place * (high - low);
    return [place, law(middle + bin / 2) - law(middle - bin / 2 - 1e-12)];
  });
  const most = 1.08 * Math.max(...bars, ...expected.map(([, fraction]) => fraction));
  const across = at.map((tick) => [(tick - low) / (high - low), tick]);
  const up = ticks(0, most).map((tick) => [tick / most, `${digits(100 * tick)} %`]);
  const { x, y, path, line } = axes(root, width, HEIGHT, { across, up, label });
  const bar = (value, i) => `M${x(i / BINS)} ${y(0)}V${y(value / most)}H${x((i + 1) / BINS)}V${y(0)}z`;
  path("concentration-bars", bars.map(bar).join(""));
  line("concentration-law", expected.map(([place, fraction]) => [place, fraction / most]));
}

// What survives n dimensions, for every n: exact, and in the sample.
function survival(root, width, { left, fell }, n, eps) {
  const at = (k) => Math.log10(k) / 3;
  const across = [1, 10, 100, 1000].map((k) => [at(k), k]);
  const up = [[0, "0 %"], [0.5, "50 %"], [1, "100 %"]];
  const { x, y, path, line, dot, text } = axes(root, width, HEIGHT, { across, up, label: "n" });
  const part = (ends, k) => ends.filter((end) => end > k).length / POINTS;
  const over = (kind, height) => line(`concentration-${kind}`, stops().map((k) => [at(k), height(k)]));
  path("course-here", `M${x(at(n))} ${y(0)}V${y(1)}`);
  over("seen", (k) => part(left, k));
  over("seen concentration-above", (k) => part(fell, k));
  over("law", (k) => 10 ** exact(k, eps).inside);
  over("law", (k) => 10 ** exact(k, eps).above);
  for (const ends of [left, fell]) dot("", [at(n), part(ends, n)], 4.5);
  text(x(0.2), y(0.5), "in the ball", "start", "course-blue");
  text(x(1), y(1) + 10, "all exceed eps", "end", "course-green");
}

function words(seen, n, eps) {
  const known = exact(n, eps);
  const all = POINTS.toLocaleString("en");
  const count = (values, f) => values.filter(f).length.toLocaleString("en");
  const mean = seen.angles.reduce((sum, angle) => sum + angle, 0) / POINTS;
  const spread = Math.sqrt(seen.angles.reduce((sum, angle) => sum + (angle - mean) ** 2, 0) / POINTS);
  const space = `In ${n} dimension${n > 1 ? "s" : ""}`;
  const exceed = n === 1 ? "One number exceeds" : `All of ${n} numbers exceed`;
  return [
    `${space} half of the ball's volume lies outside radius ${radius(known.radius)}. ` +
      `Drawn: ${count(seen.lengths, (r) => r > known.radius)} of ${all} points.`,
    `${space} two directions stand at 90° ± ${digits(known.spread)}° (1/√n is ` +
      `${digits(180 / Math.PI / Math.sqrt(n))}°). Drawn: ${mean.toFixed(1)}° ± ${digits(spread)}°.`,
    `${space} the ball fills ${fraction(known.inside)} of the cube around it; drawn: ` +
      `${count(seen.left, (k) => k > n)} of ${all} points. ${exceed} eps = ${eps} with probability ` +
      `${fraction(known.above)}; drawn: ${count(seen.fell, (k) => k > n)}.`,
  ];
}

function render({ el }) {
  const ns = stops();
  let [n, eps, seen, due, quiet] = [2, 0.01, null, 0, 0];
  const root = panel(el, "concentration");
  const [above, beneath] = [add(root, "div", "course-row"), add(root, "div", "course-row")];
  const first = slider(above, "dimension n", { max: ns.length - 1 }, (at) => set(ns[at], eps));
  const jumps = add(above, "div", "course-row", { role: "group", "aria-label": "dimensions to jump to" });
  for (const k of PRESETS) button(jumps, String(k), () => set(k, eps), "", { "aria-label": `n = ${k}` });
  const second = slider(beneath, "eps", { max: EPSILONS.length - 1 }, (at) => set(n, EPSILONS[at]));
  const tick = add(beneath, "label", "course-choice");
  const zoom = add(tick, "input", "", { type: "checkbox" });
  add(tick, "span", "", {}, "zoom in");
  button(beneath, "Draw again", anew, "course-first");
  const panels = add(root, "div", "concentration-panels");
  const plots = [
    ["Length of a point of the ball", shell],
    ["Angle of two directions", angle],
    ["What n dimensions leave", (box, width) => survival(box, width, seen, n, eps)],
  ].map(([title, draw]) => {
    const figure = add(panels, "figure");
    add(figure, "div", "course-title", {}, title);
    const plot = chart(figure, "", HEIGHT, (box, width) => seen && draw(box, width));
    return { plot, text: add(figure, "figcaption") };
  });
  const note = `Dashed: the exact law. Coloured: ${POINTS.toLocaleString("en")} points, drawn anew with each move.`;
  add(root, "p", "course-note", {}, note);
  const heard = status(root, "course-heard");

  function shell(box, width) {
    const reach = zoom.checked ? [0.001 ** (1 / n), 1] : [0, 1];
    const law = (r) => (r <= 0 ? 0 : Math.min(r, 1) ** n);
    histogram(box, width, seen.lengths, law, reach, ticks(...reach), "length");
  }

  function angle(box, width) {
    const wide = zoom.checked ? Math.min(90, 4 * exact(n, eps).spread) : 90;
    const reach = [90 - wide, 90 + wide];
    const at = wide < 60 ? ticks(...reach) : [0, 45, 90, 135, 180].filter((degrees) => Math.abs(degrees - 90) <= wide);
    histogram(box, width, seen.angles, angles(n), reach, at, "angle (degrees)");
  }

  function anew() { // with the next frame, however many moves there were
    cancelAnimationFrame(due);
    due = requestAnimationFrame(() => {
      seen = sample(n, eps);
      const texts = words(seen, n, eps);
      plots.forEach(({ plot, text }, i) => {
        text.textContent = texts[i];
        plot.draw(`${i < 2 ? "Histogram" : "Curves over n"}, with the exact law. ${texts[i]}`);
      });
      clearTimeout(quiet);
      quiet = setTimeout(() => (heard.textContent = texts.join(" ")), 600); // not while the slider moves
    });
  }

  function set(newN, newEps) {
    [n, eps] = [newN, newEps];
    first.set(ns.indexOf(n), n, `${n} dimension${n > 1 ? "s" : ""}`);
    second.set(EPSILONS.indexOf(eps), eps);
    anew();
  }

  zoom.addEventListener("change", () => plots.forEach(({ plot }) => plot.draw()));
  set(n, eps);
  return () => {
    plots.forEach(({ plot }) => plot.end());
    cancelAnimationFrame(due);
    clearTimeout(quiet);
  };
}

export default { render };
