// The dimension slider in the page: exact laws as dashed lines, a fresh sample as bars and steps. The kernel computes
// one at a time, the next for where the sliders stand by then. All views of it share what this file holds.

const HEIGHT = 190; // of a plot
const PRESETS = [2, 3, 10, 100, 784];
const TITLES = ["Length of a point of the ball", "Angle of two directions", "What n dimensions leave"];

function ticks(low, high) {
  const rough = (high - low) / 3.5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => one >= rough);
  const first = Math.ceil(low / step - 1e-6);
  const number = Math.floor(high / step + 1e-6) - first + 1;
  return Array.from({ length: number }, (_, i) => Number(((first + i) * step).toFixed(8)));
}

function histogram(root, width, bars, law, [low, high], label) {
  const most = 1.08 * Math.max(...bars, ...law);
  const at = high === 180 ? [0, 45, 90, 135, 180] : ticks(low, high);
  const across = at.map((tick) => [(tick - low) / (high - low), tick]);
  const up = ticks(0, most).map((tick) => [tick / most, `${Number((100 * tick).toPrecision(3))} %`]);
  const { x, y, path, line } = axes(root, width, HEIGHT, { across, up, label });
  const { length } = bars;
  const bar = (value, i) => `M${x(i / length)} ${y(0)}V${y(value / most)}H${x((i + 1) / length)}V${y(0)}z`;
  const place = (i) => 0.5 / length + (i / (law.length - 1)) * (1 - 1 / length); // from the middle of the first bin on
  path("concentration-bars", Array.from(bars, bar).join(""));
  line("concentration-law", Array.from(law, (fraction, i) => [place(i), fraction / most]));
}

// What survives n dimensions, for every n: exact, and in the sample.
function survival(root, width, [inside, above, left, fell], stops, n) {
  const at = (k) => Math.log10(k) / 3;
  const across = [1, 10, 100, 1000].map((k) => [at(k), k]);
  const up = [[0, "0 %"], [0.5, "50 %"], [1, "100 %"]];
  const { x, y, path, line, dot, text } = axes(root, width, HEIGHT, { across, up, label: "n" });
  const over = (kind, heights) => line(`concentration-${kind}`, stops.map((k, i) => [at(k), heights[i]]));
  path("course-here", `M${x(at(n))} ${y(0)}V${y(1)}`);
  over("seen", left);
  over("seen concentration-above", fell);
  over("law", inside);
  over("law", above);
  for (const heights of [left, fell]) dot("", [at(n), heights[stops.indexOf(n)]], 4.5);
  text(x(0.2), y(0.5), "in the ball", "start", "course-blue");
  text(x(1), y(1) + 10, "all exceed eps", "end", "course-green");
}

export default () => {
  let settings = null; // as they stand in the page
  let moved = false; // since the kernel was last asked
  const space = shared({
    keep: (message, buffers, mine) => {
      if (!settings || !(mine || moved)) settings = message.settings;
      return { ...message, parts: buffers.map(floatsOf) };
    },
    idle: () => {
      if (!moved) return null;
      moved = false;
      return { do: "draw", ...settings };
    },
  });

  function set(changed) {
    settings = { ...settings, ...changed };
    moved = true;
    space.update();
  }

  function render({ el }) {
    const root = panel(el, "concentration");
    const [above, beneath] = [add(root, "div", "course-row"), add(root, "div", "course-row")];
    const first = slider(above, "dimension n", { max: 1 }, (at) => set({ n: space.now.stops[at] }));
    const jumps = add(above, "div", "course-row", { role: "group", "aria-label": "dimensions to jump to" });
    const jump = (n) => button(jumps, String(n), () => set({ n }), "", { "aria-label": `n = ${n}` });
    const second = slider(beneath, "eps", { max: 1 }, (at) => set({ eps: space.now.epsilons[at] }));
    const tick = add(beneath, "label", "course-choice");
    const zoom = add(tick, "input", "", { type: "checkbox" });
    zoom.addEventListener("change", () => set({ zoom: zoom.checked }));
    add(tick, "span", "", {}, "zoom in");
    const again = button(beneath, "Draw again", () => set({}), "course-first");
    const controls = [first.input, second.input, zoom, again, ...PRESETS.map(jump)];
    const panels = add(root, "div", "concentration-panels");
    const plots = TITLES.map((title, i) => {
      const figure = add(panels, "figure");
      add(figure, "div", "course-title", {}, title);
      const plot = chart(figure, "", HEIGHT, (box, width) => space.now && draw(box, width, i));
      return { plot, text: add(figure, "figcaption") };
    });
    const note = "Dashed: the exact law. Coloured: 2,000 points, drawn anew with each move.";
    add(root, "p", "course-note", {}, note);
    const line = status(root);
    let drawn = null;

    function draw(box, width, i) {
      const { parts, reach, stops, settings: { n } } = space.now;
      if (i === 2) survival(box, width, parts.slice(4), stops, n);
      else histogram(box, width, parts[2 * i], parts[2 * i + 1], reach[i], ["length", "angle (degrees)"][i]);
    }

    function show() {
      const { now } = space;
      for (const one of controls) one.disabled = !now;
      space.say(line, () => now.texts.join(" "), moved);
      line.classList.toggle("course-heard", Boolean(now) && !space.trouble);
      if (!now) return;
      [first.input.max, second.input.max] = [now.stops.length - 1, now.epsilons.length - 1];
      first.set(now.stops.indexOf(settings.n), settings.n, `${settings.n} dimension${settings.n > 1 ? "s" : ""}`);
      second.set(now.epsilons.indexOf(settings.eps), settings.eps);
      zoom.checked = settings.zoom;
      if (drawn === now) return;
      drawn = now;
      plots.forEach(({ plot, text }, i) => {
        text.textContent = now.texts[i];
        plot.draw(`${i < 2 ? "Histogram" : "Curves over n"}, with the exact law. ${now.texts[i]}`);
      });
    }

    return space.view(show, () => plots.forEach(({ plot }) => plot.end()));
  }

  return { initialize: space.initialize, render };
};
