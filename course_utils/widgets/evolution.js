// An evolution in the page. It asks the kernel for one generation at a time, and for the next when the last is drawn.
// All views of it share what `evolution` holds, and one pause button stops them all.

const TICKS = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"]; // at 0, 1, 2 ... nines
const CEILING = 7.2; // as in evolution.py
const REPORTED = 4; // 99.99 %
const HEIGHT = 228;

// The end of the axis: 50, 100, 200, 500 ... generations.
function end(generation) {
  for (let power = 10; ; power *= 10) for (const n of [5, 10, 20]) if (generation <= n * power) return n * power;
}

function curves(root, [own, median], width) {
  const last = end(own.length);
  const across = Array.from({ length: 6 }, (_, i) => [i / 5, (i * last) / 5]);
  const up = [...TICKS.map((tick, n) => [n / CEILING, tick]), [1, "confidence"]];
  const { x, y, path, line, dot } =
    axes(root, width, HEIGHT, { across, up, label: "generation", left: 76, edge: 14, grid: true });
  path("evolution-reported", `M${x(0)} ${y(REPORTED / CEILING)}H${x(1)}`);
  for (const [kind, nines] of [["evolution-median", median], ["evolution-own", own]]) {
    const points = Array.from(nines, (height, i) => [(i + 1) / last, height / CEILING]);
    line(kind, points);
    dot(kind, points.at(-1), 3);
  }
}

export default () => {
  let running = false;
  const evolution = shared({
    keep: (message, buffers) => {
      const lines = floatsOf(buffers[1]);
      const half = lines.length / 2;
      return { ...message, images: bytesOf(buffers[0]), lines: [lines.subarray(0, half), lines.subarray(half)] };
    },
    idle: () => (running ? { do: "step" } : null),
    failed: () => {
      running = false;
      evolution.wishes.length = 0;
    },
    closed: () => (running = false),
  });
  const { want, say } = evolution;

  function play() {
    running = !running;
    evolution.update();
  }

  function render({ el }) {
    const root = panel(el, "evolution");
    const controls = add(root, "div", "course-row");
    const start = button(controls, "Start", play, "course-first");
    const step = button(controls, "Step", () => want({ do: "step" }));
    const reset = button(controls, "Reset", () => want({ do: "reset" }));
    const encoding = choice(controls, "encoding", (name) => want({ do: "encode", encoding: name }));
    const chosen = choice(controls, "class", (k) => want({ do: "choose", class: Number(k) }));
    const line = status(root);
    const label = "The best image so far of each class";
    const elites = add(root, "div", "evolution-elites", { role: "group", "aria-label": label });
    const below = add(root, "div", "course-beside");
    const figure = add(below, "figure", "evolution-large");
    const large = add(figure, "canvas", "course-pixels", { role: "img" });
    const caption = add(figure, "figcaption");
    const right = add(below, "div");
    const legend = add(right, "div", "course-legend");
    const own = add(legend, "span", "evolution-own");
    const median = add(legend, "span");
    const plot = chart(right, "", HEIGHT, (box, width) => evolution.now && curves(box, evolution.now.lines, width));
    let tiles = [];

    function fit() { // as many tiles as there are elites to show
      tiles = evolution.now.texts.map((_, i) => {
        const choose = () => want({ do: "choose", class: evolution.now.first + i });
        const tile = button(elites, "", choose, "course-tile evolution-elite");
        return { tile, canvas: add(tile, "canvas", "course-pixels"), name: add(tile, "b"), text: add(tile, "span") };
      });
    }

    function show() {
      const { now } = evolution;
      start.textContent = running ? "Pause" : "Start";
      start.disabled = reset.disabled = !now;
      step.disabled = !now || running;
      const sure = () => `${now.sure} of ${now.classes} classes at 99.99 % or more`;
      say(line, () => `Generation ${now.generation}: ${sure()}`, running);
      if (!now) return;
      if (!tiles.length) fit();
      const { generation, classes, first, texts, shape } = now;
      const kind = `class ${now.chosen}`;
      offer(encoding, ["direct", "CPPN"], now.encoding);
      offer(chosen, Array.from({ length: classes }, (_, k) => k), now.chosen);
      tiles.forEach(({ tile, canvas, name, text }, i) => {
        paint(canvas, now.images, shape, i);
        name.textContent = first + i;
        text.textContent = texts[i];
        tile.setAttribute("aria-pressed", first + i === now.chosen);
        tile.setAttribute("aria-label", `class ${first + i}, confidence ${texts[i]}`);
      });
      const text = texts[now.chosen - first];
      paint(large, now.images, shape, now.chosen - first);
      large.setAttribute("aria-label", `The image bred for ${kind}`);
      const born = now.born ? `since generation ${now.born}` : "from the random population";
      caption.textContent = `${kind} at ${text}, ${born}`;
      own.textContent = kind;
      median.textContent = `median of all ${classes} classes`;
      plot.draw(`Confidence after ${generation} generations: ${kind} ${text}, median ${now.median}.`);
    }

    return evolution.view(show, plot.end);
  }

  return { initialize: evolution.initialize, render };
};
