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

function curves(root, lines, width) {
  const [left, right, top, bottom] = [76, 14, 6, 40];
  const last = end(lines[0].length);
  const x = (generation) => left + ((width - left - right) * generation) / last;
  const y = (nines) => HEIGHT - bottom - ((HEIGHT - top - bottom) * nines) / CEILING;
  const text = (at, up, anchor, what) => svg(root, "text", { x: at, y: up, "text-anchor": anchor }, what);
  TICKS.forEach((tick, n) => {
    const kind = n === REPORTED ? "evolution-reported" : "course-grid";
    svg(root, "path", { class: kind, d: `M${left} ${y(n)}H${width - right}` });
    text(left - 8, y(n) + 4, "end", tick);
  });
  for (let i = 0; i <= 5; i++) text(x((i * last) / 5), HEIGHT - bottom + 18, "middle", (i * last) / 5);
  text(left - 8, y(CEILING) + 5, "end", "confidence");
  text((left + width - right) / 2, HEIGHT - 5, "middle", "generation");
  for (const [name, values] of [["median", lines[1]], ["own", lines[0]]]) {
    const points = Array.from(values, (nines, i) => `${x(i + 1).toFixed(1)},${y(nines).toFixed(1)}`);
    const [cx, cy] = points.at(-1).split(",");
    svg(root, "polyline", { class: `evolution-${name}`, points: points.join(" ") });
    svg(root, "circle", { class: `evolution-${name}`, cx, cy, r: 3 });
  }
}

export default () => {
  let running = false;
  const stop = () => (running = false);
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
    closed: stop,
  });
  const { want, draw, ask, say } = evolution;

  function play() {
    running = !running;
    draw();
    ask();
  }

  function render({ el }) {
    const root = panel(el, "evolution");
    const controls = add(root, "div", "course-row");
    const start = button(controls, "Start", play, "course-first evolution-start");
    const step = button(controls, "Step", () => want({ do: "step" }));
    const reset = button(controls, "Reset", () => want({ do: "reset" }));
    const encoding = choice(controls, "encoding", ["direct", "CPPN"], (name) => want({ do: "encode", encoding: name }));
    const chosen = choice(controls, "class", [], (k) => want({ do: "choose", class: Number(k) }));
    const line = status(root);
    const label = "The best image so far of each class";
    const elites = add(root, "div", "evolution-elites", { role: "group", "aria-label": label });
    const below = add(root, "div", "evolution-below");
    const figure = add(below, "figure", "evolution-large");
    const large = add(figure, "canvas", "course-pixels", { role: "img" });
    const caption = add(figure, "figcaption");
    const right = add(below, "div", "evolution-right");
    const legend = add(right, "div", "evolution-legend");
    const own = add(legend, "span", "evolution-own");
    const median = add(legend, "span");
    const plot = chart(right, "evolution-plot", HEIGHT, (box, width) => now() && curves(box, now().lines, width));
    let tiles = [];

    function now() {
      return evolution.now;
    }

    function image(i) {
      const size = now().shape.reduce((a, b) => a * b);
      return now().images.subarray(i * size, (i + 1) * size);
    }

    function fit() { // as many tiles and choices as there are classes
      tiles = now().texts.map((_, i) => {
        const tile = button(elites, "", () => want({ do: "choose", class: now().first + i }), "evolution-elite");
        return { tile, canvas: add(tile, "canvas", "course-pixels"), name: add(tile, "b"), text: add(tile, "span") };
      });
      for (let k = 0; k < now().classes; k++) add(chosen, "option", "", { value: k }, k);
    }

    function show() {
      start.textContent = running ? "Pause" : "Start";
      start.disabled = reset.disabled = !now();
      step.disabled = !now() || running;
      line.setAttribute("aria-busy", running); // a screen reader waits for the pause
      say(line, () => `Generation ${now().generation}: ${now().sure} of ${now().classes} classes at 99.99 % or more`);
      if (!now()) return;
      if (!tiles.length) fit();
      const { generation, classes, first, texts, shape } = now();
      encoding.value = now().encoding;
      chosen.value = now().chosen;
      tiles.forEach(({ tile, canvas, name, text }, i) => {
        paint(canvas, image(i), shape);
        name.textContent = first + i;
        text.textContent = texts[i];
        tile.setAttribute("aria-pressed", first + i === now().chosen);
        tile.setAttribute("aria-label", `class ${first + i}, confidence ${texts[i]}`);
      });
      const text = texts[now().chosen - first];
      paint(large, image(now().chosen - first), shape);
      large.setAttribute("aria-label", `The image bred for class ${now().chosen}`);
      const born = now().born ? `since generation ${now().born}` : "from the random population";
      caption.textContent = `class ${now().chosen} at ${text}, ${born}`;
      own.textContent = `class ${now().chosen}`;
      median.textContent = `median of all ${classes} classes`;
      const words = `class ${now().chosen} ${text}, median ${now().median}`;
      plot.node.setAttribute("aria-label", `Confidence after ${generation} generations: ${words}.`);
      plot.draw();
    }

    return evolution.view(show, plot.end);
  }

  return { initialize: evolution.initialize, render };
};
