// The camera in the page. Sliders, buttons and a sweep set where the camera should be; the kernel gets one question at a
// time, and the next one says where the sliders stand by then. All views of a camera share what this file holds.

const SWEEP = 5; // hundredths of a slider's half in one step of a sweep

function build(el) {
  const root = panel(el, "camera");
  const status = add(root, "div", "camera-status", { role: "status", "aria-live": "polite" });
  const above = add(root, "div", "camera-above");
  const figure = add(above, "figure", "camera-view");
  const view = add(figure, "canvas", "", { role: "img" });
  const caption = add(figure, "figcaption", "");
  const right = add(above, "div", "camera-right");
  const legend = add(right, "div", "camera-legend");
  for (const [name, text] of Object.entries({ cloud: "1,000 random views", home: "home", dot: "this view and its trail" }))
    add(legend, "span", `camera-key-${name}`, {}, text);
  const plot = add(right, "div", "camera-plot", { role: "img" });
  const groups = add(root, "div", "camera-groups");
  const buttons = add(root, "div", "camera-buttons");
  const button = (text) => add(buttons, "button", "camera-button", { type: "button" }, text);
  const sweep = button("Sweep");
  sweep.classList.add("camera-first");
  const which = add(buttons, "select", "", { "aria-label": "slider to sweep" });
  const home = button("Home");
  const clear = button("Clear trail");
  const note =
    "What to see: a slider that moves evenly along its line draws a bent curve here, another slider another curve, and " +
    "the same way back the same curve. The cloud is flat only on the screen: it is the shadow of a sheet with one " +
    "dimension for each slider, so curves that cross here need not meet.";
  add(root, "p", "camera-note", {}, note);
  return { status, view, caption, plot, groups, sweep, which, home, clear };
}

function plane({ cloud, trail, home, shares }, width) {
  const [left, bottom, edge, height] = [24, 24, 10, 300];
  const all = [...cloud, ...trail];
  const span = (k) => all.reduce(([low, high], value, i) => (i % 2 === k ? [Math.min(low, value), Math.max(high, value)] : [low, high]), [Infinity, -Infinity]);
  const [[west, east], [south, north]] = [span(0), span(1)];
  const scale = Math.min((width - left - 2 * edge) / (east - west), (height - bottom - 2 * edge) / (north - south)); // of both axes
  const [across, up] = [(left + width) / 2, (height - bottom) / 2];
  const place = (x, y) => [across + (x - (west + east) / 2) * scale, up - (y - (south + north) / 2) * scale].map((p) => p.toFixed(1));
  const points = (values) => Array.from({ length: values.length / 2 }, (_, i) => place(values[2 * i], values[2 * i + 1]));
  const circle = (name, [x, y], r) => `<circle class="camera-${name}" cx="${x}" cy="${y}" r="${r}"/>`;
  const way = points(trail);
  return (
    `<svg width="${width}" height="${height}" aria-hidden="true">` +
    `<path class="camera-frame" d="M${left} 0V${height - bottom}H${width}"/>` +
    `<path class="camera-cloud" d="${points(cloud).map(([x, y]) => `M${x} ${y}h0`).join("")}"/>` +
    `<polyline class="camera-trail" points="${way.join(" ")}"/>` +
    circle("home", place(...home), 6) +
    circle("dot", way.at(-1), 5) +
    `<text x="${(left + width) / 2}" y="${height - 6}" text-anchor="middle">first principal component (${shares[0]} of the variance)</text>` +
    `<text transform="translate(14 ${(height - bottom) / 2}) rotate(-90)" text-anchor="middle">second (${shares[1]})</text></svg>`
  );
}

export default () => {
  const views = new Set();
  const wishes = [{ do: "show" }]; // before the sliders' own
  let now = null; // the last answer: what it says, the picture, the trail, the cloud
  let sliders = []; // where they stand in the page
  let moved = false; // since the kernel was last asked
  let sweep = null; // the slider that is swept, and the stops before it
  let trouble = "";

  const { ask, initialize } = conversation(next, hear, late);

  function next() {
    if (wishes.length) return wishes.shift();
    if (sweep && !moved) {
      sliders[sweep.which] = sweep.stops.shift();
      moved = true;
      if (!sweep.stops.length) sweep = null;
    }
    if (!moved) return null;
    moved = false;
    return { do: "move", sliders };
  }

  function want(wish) {
    wishes.push(wish);
    ask();
  }

  function move(positions) {
    sliders = positions;
    moved = true;
    sweep = null;
    draw();
    ask();
  }

  function start(which) {
    const from = Math.round(100 * sliders[which]);
    const stops = [];
    for (const [a, b] of [[from, 100], [100, -100], [-100, from]]) {
      for (let at = a; at !== b; ) stops.push((at = a < b ? Math.min(at + SWEEP, b) : Math.max(at - SWEEP, b)) / 100);
    }
    sweep = { which, stops };
    draw();
    ask();
  }

  function stop() {
    sweep = null;
    draw();
  }

  function hear(message, buffers, mine) {
    if (mine) trouble = message.error ?? "";
    if (message.error) {
      sweep = null;
      moved = false;
      sliders = [...(now?.sliders ?? sliders)];
    } else {
      const [picture, trail, cloud] = buffers;
      now = { ...message, picture: bytesOf(picture), trail: floatsOf(trail), cloud: floatsOf(cloud) };
      if (!moved && !(mine && sweep)) sliders = [...message.sliders];
    }
    requestAnimationFrame(() => {
      draw();
      ask();
    });
  }

  function late() {
    trouble = "No answer yet. The kernel is busy, or it was restarted: then run the cell of this camera again.";
    sweep = null;
    draw();
  }

  function draw() {
    views.forEach((view) => view.draw());
  }

  function render({ el }) {
    const { status, view, caption, plot, groups, sweep: go, which, home, clear } = build(el);
    let rows = [];

    function fit() { // as many sliders as there are numbers
      for (const [title, names] of now.groups) {
        const group = add(groups, "fieldset", "camera-group");
        add(group, "legend", "", {}, title);
        for (const name of names) {
          const row = add(group, "label", "camera-row");
          add(row, "span", "camera-name", {}, name.replace("light ", ""));
          const slider = add(row, "input", "", { type: "range", min: -1, max: 1, step: 0.02 });
          const place = rows.length;
          slider.addEventListener("input", () => {
            which.value = place; // the one to sweep is the one that was touched last
            move(sliders.map((value, k) => (k === place ? Number(slider.value) : value)));
          });
          add(which, "option", "", { value: place }, name);
          rows.push({ slider, text: add(row, "output", "") });
        }
      }
    }

    function chart() {
      if (now && plot.clientWidth) plot.innerHTML = plane(now, plot.clientWidth);
    }

    function show() {
      for (const one of [go, which, home, clear]) one.disabled = !now;
      go.textContent = sweep ? "Stop" : "Sweep";
      status.classList.toggle("camera-trouble", Boolean(trouble));
      status.setAttribute("aria-busy", Boolean(sweep)); // a screen reader waits for the end
      if (!now) {
        status.textContent = trouble || "Waiting for the kernel.";
        return;
      }
      if (!rows.length) fit();
      rows.forEach(({ slider, text }, k) => {
        slider.value = sliders[k];
        text.textContent = now.texts[k];
        slider.setAttribute("aria-valuetext", now.texts[k]);
      });
      const distance = `This picture lies ${now.moved} from home, over all ${now.size * now.size} pixels`;
      status.textContent = trouble || `${distance}; two random views lie ${now.usual} apart on average.`;
      paint(view, now.picture, [1, now.size, now.size]);
      const away = rows.map((_, k) => k).filter((k) => now.sliders[k]);
      const pose = away.map((k) => `${which.options[k].text} ${now.texts[k]}`).join(", ") || "home";
      view.setAttribute("aria-label", `The view from ${pose}`);
      caption.textContent = pose;
      const [x, y] = now.trail.slice(-2);
      const where = `Now it is at ${x.toFixed(1)}, ${y.toFixed(1)}, home at ${now.home.map((v) => v.toFixed(1)).join(", ")}`;
      const steps = now.trail.length / 2 - 1;
      plot.setAttribute("aria-label", `A cloud of 1,000 random views, and the trail of this view, ${steps} steps long. ${where}.`);
      chart();
    }

    go.addEventListener("click", () => (sweep ? stop() : start(Number(which.value))));
    home.addEventListener("click", () => move(sliders.map(() => 0)));
    clear.addEventListener("click", () => want({ do: "clear" }));
    const mine = { draw: show };
    views.add(mine);
    const watch = new ResizeObserver(chart);
    watch.observe(plot);
    show();
    return () => {
      watch.disconnect();
      views.delete(mine);
      if (!views.size) sweep = null;
    };
  }

  return { initialize, render };
};
