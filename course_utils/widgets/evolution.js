// The theatre in the page. It asks the kernel for one generation at a time, and for the next when the last is drawn.
// All views of a theatre share what this file holds in `now`, and one pause button stops them all.

const TICKS = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"]; // at 0, 1, 2 ... nines
const CEILING = 7.2; // as in theatre.py
const REPORTED = 4; // 99.99 %

function build(el) {
  const root = panel(el, "theatre");
  const controls = add(root, "div", "theatre-controls");
  const button = (text) => add(controls, "button", "theatre-button", { type: "button" }, text);
  const [start, step, reset] = ["Start", "Step", "Reset"].map(button);
  start.classList.add("theatre-start");
  const select = (text) => add(add(controls, "label", "", {}, `${text} `), "select", "", { "aria-label": text });
  const encoding = select("encoding");
  for (const name of ["direct", "CPPN"]) add(encoding, "option", "", { value: name }, name);
  const chosen = select("class");
  const status = add(root, "div", "theatre-status", { role: "status", "aria-live": "polite" });
  const elites = add(root, "div", "theatre-elites", { role: "group", "aria-label": "The best image so far of each class" });
  const below = add(root, "div", "theatre-below");
  const figure = add(below, "figure", "theatre-large");
  const large = add(figure, "canvas", "", { role: "img" });
  const caption = add(figure, "figcaption", "");
  const right = add(below, "div", "theatre-right");
  const legend = add(right, "div", "theatre-legend");
  const own = add(legend, "span", "theatre-own");
  const median = add(legend, "span", "theatre-median");
  const plot = add(right, "div", "theatre-plot", { role: "img" });
  return { start, step, reset, encoding, chosen, status, elites, large, caption, own, median, plot };
}

function end(generation) {
  for (let power = 10; ; power *= 10) for (const n of [5, 10, 20]) if (generation <= n * power) return n * power;
}

function curves(lines, width) {
  const [left, right, top, bottom, height] = [76, 14, 6, 40, 228];
  const last = end(lines[0].length);
  const x = (generation) => left + ((width - left - right) * generation) / last;
  const y = (nines) => height - bottom - ((height - top - bottom) * nines) / CEILING;
  const text = (at, up, anchor, what) => `<text x="${at}" y="${up}" text-anchor="${anchor}">${what}</text>`;
  const rows = TICKS.map(
    (tick, n) =>
      `<line class="${n === REPORTED ? "theatre-reported" : "theatre-grid"}" x1="${left}" x2="${width - right}" y1="${y(n)}" y2="${y(n)}"/>` +
      text(left - 8, y(n) + 4, "end", tick),
  );
  const columns = Array.from({ length: 6 }, (_, i) => text(x((i * last) / 5), height - bottom + 18, "middle", (i * last) / 5));
  const line = (values, className) => {
    const points = Array.from(values, (nines, i) => `${x(i + 1).toFixed(1)},${y(nines).toFixed(1)}`);
    const dot = points.at(-1).split(",");
    return `<polyline class="${className}" points="${points.join(" ")}"/><circle class="${className}" cx="${dot[0]}" cy="${dot[1]}" r="3"/>`;
  };
  return (
    `<svg width="${width}" height="${height}" aria-hidden="true">${rows.join("")}${columns.join("")}` +
    text(left - 8, y(CEILING) + 5, "end", "confidence") +
    text((left + width - right) / 2, height - 5, "middle", "generation") +
    `${line(lines[1], "theatre-median")}${line(lines[0], "theatre-own")}</svg>`
  );
}

export default () => {
  const views = new Set();
  const wishes = [{ do: "show" }]; // of the learner, for when the kernel has answered
  let now = null; // the last answer: what it says, the images, the two lines
  let running = false;
  let trouble = "";

  const { ask, initialize } = conversation(() => wishes.shift() ?? (running ? { do: "step" } : null), hear, late);

  function want(wish) {
    wishes.push(wish);
    ask();
  }

  function play(on) {
    running = on;
    views.forEach((view) => view.draw());
    ask();
  }

  function hear(message, buffers, mine) {
    if (mine) trouble = message.error ?? "";
    if (message.error) {
      running = false;
      wishes.length = 0;
    } else {
      const lines = floatsOf(buffers[1]);
      now = { ...message, images: bytesOf(buffers[0]), lines: [lines.subarray(0, lines.length / 2), lines.subarray(lines.length / 2)] };
    }
    requestAnimationFrame(() => {
      views.forEach((view) => view.draw());
      ask();
    });
  }

  function late() {
    trouble = "No answer yet. The kernel is busy, or it was restarted: then run the cell of this theatre again.";
    views.forEach((view) => view.draw());
  }

  function render({ el }) {
    const { start, step, reset, encoding, chosen, status, elites, large, caption, own, median, plot } = build(el);
    let tiles = [];

    function image(i) {
      const size = now.shape.reduce((a, b) => a * b);
      return now.images.subarray(i * size, (i + 1) * size);
    }

    function fit() { // as many tiles and choices as there are classes
      tiles = now.texts.map((_, i) => {
        const tile = add(elites, "button", "theatre-elite", { type: "button" });
        tile.addEventListener("click", () => want({ do: "choose", class: now.first + i }));
        return { tile, canvas: add(tile, "canvas", ""), name: add(tile, "b", ""), text: add(tile, "span", "") };
      });
      for (let k = 0; k < now.classes; k++) add(chosen, "option", "", { value: k }, k);
    }

    function curve() {
      if (now && plot.clientWidth) plot.innerHTML = curves(now.lines, plot.clientWidth);
    }

    function draw() {
      start.textContent = running ? "Pause" : "Start";
      start.disabled = reset.disabled = !now;
      step.disabled = !now || running;
      status.classList.toggle("theatre-trouble", Boolean(trouble));
      status.setAttribute("aria-busy", running); // a screen reader waits for the pause
      if (!now) {
        status.textContent = trouble || "Waiting for the kernel.";
        return;
      }
      if (!tiles.length) fit();
      const { generation, sure, classes, first, texts } = now;
      status.textContent = trouble || `Generation ${generation}: ${sure} of ${classes} classes at 99.99 % or more`;
      encoding.value = now.encoding;
      chosen.value = now.chosen;
      tiles.forEach(({ tile, canvas, name, text }, i) => {
        paint(canvas, image(i), now.shape);
        name.textContent = first + i;
        text.textContent = texts[i];
        tile.setAttribute("aria-pressed", first + i === now.chosen);
        tile.setAttribute("aria-label", `class ${first + i}, confidence ${texts[i]}`);
      });
      const text = texts[now.chosen - first];
      paint(large, image(now.chosen - first), now.shape);
      large.setAttribute("aria-label", `The image bred for class ${now.chosen}`);
      const born = now.born ? `since generation ${now.born}` : "from the random population";
      caption.textContent = `class ${now.chosen} at ${text}, ${born}`;
      own.textContent = `class ${now.chosen}`;
      median.textContent = `median of all ${classes} classes`;
      const sentence = `Confidence after ${generation} generations: class ${now.chosen} ${text}, median ${now.median}.`;
      plot.setAttribute("aria-label", sentence);
      curve();
    }

    start.addEventListener("click", () => play(!running));
    step.addEventListener("click", () => want({ do: "step" }));
    reset.addEventListener("click", () => want({ do: "reset" }));
    encoding.addEventListener("change", () => want({ do: "encode", encoding: encoding.value }));
    chosen.addEventListener("change", () => want({ do: "choose", class: Number(chosen.value) }));
    const view = { draw };
    views.add(view);
    const watch = new ResizeObserver(curve);
    watch.observe(plot);
    draw();
    return () => {
      watch.disconnect();
      views.delete(view);
      if (!views.size) running = false;
    };
  }

  return { initialize, render };
};
