// A camera to move, in the page. Sliders, buttons and a sweep set where the camera should be; the kernel gets one
// question at a time, and the next one says where the sliders stand by then. All views of it share what this file holds.

const SWEEP = 5; // hundredths of a slider's half in one step of a sweep
const HEIGHT = 300;
const LEGEND = { cloud: "1,000 random views", home: "home", dot: "this view and its trail" };
const NOTE =
  "What to see: a slider that moves evenly along its line draws a bent curve here, another slider another curve, and " +
  "the same way back the same curve. The cloud is flat only on the screen: it is the shadow of a sheet with one " +
  "dimension for each slider, so curves that cross here need not meet.";

function plane(root, { cloud, trail, home, explained }, width) {
  const label = `first principal component (${explained[0]} of the variance)`;
  const { x, y, path, line, dot, text } = axes(root, width, HEIGHT, { label, left: 24, bottom: 24, edge: 10 });
  const [[west, east], [south, north]] = [0, 1].map((k) => {
    const values = [...cloud, ...trail].filter((_, i) => i % 2 === k);
    return [Math.min(...values), Math.max(...values)];
  });
  const [wide, high] = [x(1) - x(0), y(0) - y(1)];
  const scale = 0.94 * Math.min(wide / (east - west), high / (north - south)); // the same for both
  const place = (a, b) =>
    [0.5 + ((a - (west + east) / 2) * scale) / wide, 0.5 + ((b - (south + north) / 2) * scale) / high];
  const points = (line) => Array.from({ length: line.length / 2 }, (_, i) => place(line[2 * i], line[2 * i + 1]));
  const way = points(trail);
  path("viewpoint-cloud", points(cloud).map(([a, b]) => `M${x(a)} ${y(b)}h0`).join(""));
  line("viewpoint-trail", way);
  dot("viewpoint-home", place(...home), 6);
  dot("viewpoint-dot", way.at(-1), 5);
  text(0, 0, `second (${explained[1]})`).setAttribute("transform", `translate(14 ${y(0.5)}) rotate(-90)`);
}

// The positions of a slider that goes from where it is to one end, to the other, and back.
function stops(position) {
  const found = [];
  const from = Math.round(100 * position);
  for (const [a, b] of [[from, 100], [100, -100], [-100, from]])
    for (let at = a; at !== b; ) found.push((at = a < b ? Math.min(at + SWEEP, b) : Math.max(at - SWEEP, b)) / 100);
  return found;
}

export default () => {
  let sliders = []; // where they stand in the page
  let moved = false; // since the kernel was last asked
  let sweep = null; // the slider that is swept, and the stops before it
  const camera = shared({
    keep: (message, [picture, trail, cloud], mine) => {
      if (!moved && !(mine && sweep)) sliders = [...message.sliders];
      return { ...message, picture: bytesOf(picture), trail: floatsOf(trail), cloud: floatsOf(cloud) };
    },
    idle: () => {
      if (sweep && !moved) {
        sliders[sweep.which] = sweep.stops.shift();
        moved = true;
        if (!sweep.stops.length) sweep = null;
      }
      if (!moved) return null;
      moved = false;
      return { do: "move", sliders };
    },
    failed: () => {
      sweep = null;
      moved = false;
      sliders = [...(camera.now?.sliders ?? sliders)];
    },
    closed: () => (sweep = null),
  });

  function move(positions) {
    sliders = positions;
    moved = true;
    sweep = null;
    camera.update();
  }

  function toggle(which) {
    sweep = sweep ? null : { which, stops: stops(sliders[which]) };
    camera.update();
  }

  function render({ el }) {
    const root = panel(el, "viewpoint");
    const line = status(root);
    const above = add(root, "div", "course-beside");
    const figure = add(above, "figure", "viewpoint-view");
    const view = add(figure, "canvas", "course-pixels", { role: "img" });
    const caption = add(figure, "figcaption");
    const right = add(above, "div");
    const legend = add(right, "div", "course-legend");
    for (const [name, text] of Object.entries(LEGEND)) add(legend, "span", `viewpoint-key-${name}`, {}, text);
    const plot = chart(right, "viewpoint-plot", HEIGHT, (box, width) => camera.now && plane(box, camera.now, width));
    const groups = add(root, "div", "viewpoint-groups");
    const buttons = add(root, "div", "course-row");
    const go = button(buttons, "Sweep", () => toggle(Number(which.value)), "course-first");
    const which = add(buttons, "select", "", { "aria-label": "slider to sweep" });
    const home = button(buttons, "Home", () => move(sliders.map(() => 0)));
    const clear = button(buttons, "Clear trail", () => camera.want({ do: "clear" }));
    add(root, "p", "course-note", {}, NOTE);
    const rows = [];

    function fit() { // as many sliders as there are numbers
      for (const [title, names] of camera.now.groups) {
        const group = add(groups, "fieldset", "viewpoint-group");
        add(group, "legend", "", {}, title);
        for (const name of names) {
          const place = rows.length;
          add(which, "option", "", { value: place }, name);
          rows.push(slider(group, name.replace("light ", ""), { min: -1, max: 1, step: 0.02 }, (value) => {
            which.value = place; // the one to sweep is the one that was touched last
            move(sliders.map((other, k) => (k === place ? value : other)));
          }));
        }
      }
    }

    function show() {
      const { now } = camera;
      for (const one of [go, which, home, clear]) one.disabled = !now;
      go.textContent = sweep ? "Stop" : "Sweep";
      const from = () => `This picture lies ${now.moved} from home, over all ${now.size * now.size} pixels`;
      camera.say(line, () => `${from()}; two random views lie ${now.usual} apart on average.`, Boolean(sweep));
      if (!now) return;
      if (!rows.length) fit();
      rows.forEach(({ set }, k) => set(sliders[k], now.texts[k]));
      paint(view, now.picture, [1, now.size, now.size]);
      const away = rows.map((_, k) => k).filter((k) => now.sliders[k]);
      const pose = away.map((k) => `${which.options[k].text} ${now.texts[k]}`).join(", ") || "home";
      view.setAttribute("aria-label", `The view from ${pose}`);
      caption.textContent = pose;
      const [x, y] = now.trail.slice(-2);
      const where = `Now it is at ${x.toFixed(1)}, ${y.toFixed(1)}, home at ${now.home.map((v) => v.toFixed(1)).join(", ")}`;
      const trail = `the trail of this view, ${now.trail.length / 2 - 1} steps long`;
      plot.draw(`A cloud of 1,000 random views, and ${trail}. ${where}.`);
    }

    return camera.view(show, plot.end);
  }

  return { initialize: camera.initialize, render };
};
