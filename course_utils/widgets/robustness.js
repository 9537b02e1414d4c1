// The siege in the page. The kernel gets one question at a time, for a portion of the digits at the settings of that
// moment; the next one waits for its answer however long that takes, so none queue up while the slider moves.

const LATE = "No answer yet. The attack is slow, or the kernel is busy. If it was restarted, run the cell of this siege again.";
const PATIENCE = 300; // ms before the page says that it waits

const percent = (share) => `${Number((100 * share).toFixed(1))} %`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// A point of the curve about (x, y): the shapes of matplotlib.
function point(shape, x, y, r) {
  const way = {
    s: `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    "^": `M${x} ${y - 1.2 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z`,
    v: `M${x} ${y + 1.2 * r}l${1.2 * r} ${-2.2 * r}h${-2.4 * r}z`,
    D: `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`,
    P: `M${x - r / 2} ${y - 1.3 * r}h${r}v${0.8 * r}h${0.8 * r}v${r}h${-0.8 * r}v${0.8 * r}h${-r}v${-0.8 * r}h${-0.8 * r}v${-r}h${0.8 * r}z`,
    o: `M${x - 1.1 * r} ${y}a${1.1 * r} ${1.1 * r} 0 1 0 ${2.2 * r} 0a${1.1 * r} ${1.1 * r} 0 1 0 ${-2.2 * r} 0z`,
  };
  return way[shape];
}

// Accuracy against eps, as SVG: a curve for each attacker tried, the chosen one in front and with its intervals.
function plot({ curves, looks, floor, claim, clean, most }, chosen, eps, width, height) {
  const [left, bottom, edge] = [50, 38, 13];
  const x = (at) => left + (at / most) * (width - left - edge);
  const y = (share) => height - bottom - share * (height - bottom - edge);
  const text = (px, py, what, anchor, more = "") => `<text x="${px}" y="${py}" text-anchor="${anchor}" ${more}>${what}</text>`;
  const svg = [`<svg width="${width}" height="${height}" aria-hidden="true">`];
  for (const share of [0, 0.5, 1]) svg.push(`<path class="siege-grid" d="M${x(0)} ${y(share)}H${x(most)}"/>`);
  if (floor) {
    const edges = floor.map((share, i) => `${x((i * most) / (floor.length - 1))} ${y(share)}`).join("L");
    svg.push(`<path class="siege-proof" d="M${x(0)} ${y(0)}L${edges}V${y(0)}z"/><path class="siege-proof-edge" d="M${edges}"/>`);
  }
  svg.push(`<path class="siege-here" d="M${x(eps)} ${y(0)}V${y(1)}"/>`);
  const names = Object.keys(looks).filter((name) => name !== chosen);
  for (const name of [...names, chosen]) {
    const [hue, shape] = looks[name];
    const own = name === chosen;
    const tried = curves[name];
    svg.push(`<g class="${own ? "siege-own" : "siege-other"}" stroke="${hue}" fill="${hue}">`);
    if (own) for (const [at, , low, high] of tried.slice(1)) svg.push(`<path class="siege-whisker" d="M${x(at)} ${y(low)}V${y(high)}"/>`);
    svg.push(`<polyline points="${tried.map(([at, share]) => `${x(at)},${y(share)}`).join(" ")}"/>`);
    for (const [at, share] of tried.slice(1)) svg.push(`<path class="siege-point" d="${point(shape, x(at), y(share), own ? 4 : 3)}"/>`);
    svg.push("</g>");
  }
  svg.push(`<circle class="siege-clean" cx="${x(0)}" cy="${y(clean.share)}" r="5"/>`);
  if (floor?.[Math.round(0.2 * floor.length)] > 0.1) svg.push(text(x(0) + 9, y(0) - 7, "proved", "start", 'class="siege-green"'));
  if (claim) {
    const [px, py] = [x(claim.eps), y(claim.accuracy)];
    svg.push(`<circle class="siege-claim-point" cx="${px}" cy="${py}" r="5.5"/>`);
    svg.push(text(claim.eps > most / 2 ? px - 10 : px + 10, py + (py < 30 ? 16 : -8), "claimed", claim.eps > most / 2 ? "end" : "start"));
  }
  svg.push(`<path class="siege-frame" d="M${x(0)} ${y(1)}V${y(0)}H${x(most)}"/>`);
  for (let i = 0; i <= 4; i++) svg.push(text(x((i * most) / 4), height - bottom + 17, Number(((i * most) / 4).toFixed(2)), i === 4 ? "end" : "middle"));
  for (const share of [0, 0.5, 1]) svg.push(text(left - 8, y(share) + 3, `${100 * share} %`, "end"));
  svg.push(text((left + width) / 2, height - 4, "eps", "middle"), "</svg>");
  return svg.join("");
}

function build(el) {
  const root = panel(el, "siege");
  const id = `siege-${Math.random().toString(36).slice(2)}`;
  const above = add(root, "div", "siege-row");
  const field = (name, text) => {
    const box = add(above, "div", "siege-field");
    add(box, "label", "", { for: `${id}-${name}` }, text);
    return box;
  };
  const net = add(field("net", "defense"), "select", "", { id: `${id}-net` });
  const slide = add(field("eps", "eps, the largest change of a pixel"), "div", "siege-slide");
  const eps = add(slide, "input", "", { id: `${id}-eps`, type: "range", min: 0, step: 0.01 });
  const output = add(slide, "output", "", { for: `${id}-eps` });
  const claim = add(root, "div", "siege-claim");
  const panels = add(root, "div", "siege-panels");
  const board = add(panels, "fieldset", "siege-board");
  const title = add(board, "legend", "siege-title");
  const curve = add(panels, "figure", "siege-curve");
  const caption = add(curve, "figcaption", "siege-title");
  const chart = add(curve, "div", "siege-plot", { role: "img" });
  const line = add(root, "div", "siege-line");
  const status = add(line, "div", "siege-status", { role: "status", "aria-live": "polite" });
  const again = add(line, "button", "siege-button", { type: "button" }, "Try again");
  const heading = add(root, "div", "siege-title");
  const digits = add(root, "div", "siege-digits");
  const note =
    "Each row is an attacker: choose one to send it in. A bar shows how many digits stay right, and the 95 % interval for the share " +
    "of all digits; “all together” counts those that no attack of the list got at this eps. A better attack may leave less, but never less than what is proved.";
  add(root, "p", "siege-note", {}, note);
  return { id, net, eps, output, claim, board, title, caption, chart, status, again, heading, digits };
}

// The rows of the board: clean digits, each attacker, all attackers together. Returns what fills them.
function ranks(board, id, looks, chosen) {
  const rank = (tag, name, [hue, shape], attributes = {}) => {
    const row = add(board, tag, "siege-rank");
    const label = add(row, "span", "siege-name");
    const radio = tag === "label" ? add(label, "input", "", { type: "radio", name: id, value: name, "aria-label": name }) : null;
    const swatch = `<svg width="16" height="16" aria-hidden="true"><path fill="${hue}" d="${shape ? point(shape, 8, 8, 5) : ""}"/></svg>`;
    if (shape) label.insertAdjacentHTML("beforeend", swatch);
    add(label, "span", "", attributes, name);
    const track = add(row, "span", "siege-track", { "aria-hidden": "true" });
    const proof = tag === "div" && !attributes.below ? null : add(track, "span", "siege-floor");
    const bar = add(track, "span", "siege-bar");
    bar.style.background = hue;
    const whisker = add(track, "span", "siege-ends");
    const promise = proof ? add(track, "span", "siege-promise") : null;
    const text = add(row, "span", "siege-number", { id: `${id}-${name.replaceAll(" ", "-")}` });
    radio?.setAttribute("aria-describedby", text.id);
    return { row, radio, proof, bar, whisker, promise, text };
  };
  const edge = (className) => {
    const row = add(board, "div", `siege-rank ${className}`, { "aria-hidden": "true" });
    add(row, "span", "");
    return add(add(row, "span", "siege-track"), "span", "siege-mark");
  };
  const clean = rank("div", "clean digits", ["#0072b2", "o"]);
  const above = edge("siege-edge");
  const rows = Object.fromEntries(Object.entries(looks).map(([name, look]) => [name, rank("label", name, look)]));
  const together = rank("div", "all together", ["#222", ""], { below: "true" });
  const below = edge("siege-edge");
  for (const [name, { radio }] of Object.entries(rows)) radio.addEventListener("change", () => radio.checked && chosen(name));

  const fill = ({ bar, whisker, text }, count, missing) => {
    bar.style.width = count ? `${100 * count.share}%` : 0;
    whisker.hidden = !count;
    if (count) Object.assign(whisker.style, { left: `${100 * count.low}%`, width: `${100 * (count.high - count.low)}%` });
    text.textContent = count ? `${count.right} of ${count.done}` : missing;
    text.classList.toggle("siege-missing", !count);
  };
  const mark = (node, share, text) => {
    node.textContent = share === null ? "" : text;
    node.style.left = `${100 * (share ?? 0)}%`;
    node.style.transform = `translateX(-${100 * clamp(share ?? 0, 0, 1)}%)`;
  };
  return (now, settings) => {
    const { eps } = now.settings;
    const claimed = now.claim && eps <= now.claim.eps + 1e-6 ? now.claim.accuracy : null;
    const proved = now.floor ? now.floor[Math.round((eps / now.most) * (now.floor.length - 1))] : null;
    fill(clean, now.clean, "");
    for (const [name, row] of Object.entries(rows)) {
      fill(row, now.rows[name], name === now.settings.attacker && now.trouble ? "failed" : "not yet");
      row.row.classList.toggle("siege-partial", Boolean(now.rows[name]) && now.rows[name].done < now.total);
      row.row.classList.toggle("siege-chosen", name === settings.attacker);
      row.radio.checked = name === settings.attacker;
    }
    fill(together, now.together, "");
    for (const { proof, promise } of [...Object.values(rows), together]) {
      proof.hidden = proved === null;
      proof.style.width = `${100 * (proved ?? 0)}%`;
      promise.hidden = claimed === null;
      promise.style.left = `${100 * (claimed ?? 0)}%`;
    }
    mark(above, claimed, `claimed ${percent(claimed)}`);
    mark(below, proved, `proved ${percent(proved)}`);
  };
}

export default () => {
  const views = new Set();
  let held = false; // a question is on its way, however long it takes
  let moved = false; // the settings, since the kernel was last asked
  let now = null; // the last answer, and its picture
  let settings = null; // as they stand in the page
  let trouble = "";
  let since = 0; // when the work on these settings began
  let timer = 0;

  const { ask, initialize } = conversation(next, hear, late);

  function next() {
    if (held) return null;
    held = true;
    if (!settings) return { do: "show" };
    if (moved || working()) {
      moved = false;
      return { do: "siege", ...settings };
    }
    held = false;
    return null;
  }

  const reached = () => now && ["net", "attacker", "eps"].every((name) => now.settings[name] === settings[name]);
  const working = () => Boolean(now) && !trouble && (!reached() || now.done < now.total);

  function set(changed) {
    settings = { ...settings, ...changed };
    [moved, trouble, since] = [true, "", performance.now()];
    clearTimeout(timer);
    timer = setTimeout(draw, PATIENCE);
    ask();
    draw();
  }

  function hear(message, buffers, mine) {
    if (mine) held = false;
    if (message.error) trouble = moved ? "" : message.error;
    else {
      now = { ...message, picture: bytesOf(buffers[0]) };
      if (!settings || !(mine || moved)) settings = message.settings;
      if (mine || trouble === LATE) trouble = "";
      if (reached()) trouble = message.trouble;
      since ||= performance.now();
    }
    draw();
    setTimeout(ask);
  }

  function late() {
    trouble = LATE;
    draw();
  }

  function draw() {
    views.forEach((view) => view());
  }

  function tell() {
    if (trouble) return trouble;
    if (!now) return "Waiting for the kernel.";
    if (!working()) return now.says;
    if (performance.now() - since < PATIENCE) return null; // what stands there may stay a little longer
    return `${settings.attacker} is at work against ${settings.net}: ${reached() ? now.done : 0} of ${now.total} digits …`;
  }

  function render({ el }) {
    const { id, net, eps, output, claim, board, title, caption, chart, status, again, heading, digits } = build(el);
    let fill = null;
    let drawn = null;

    function show() {
      const said = tell();
      if (said !== null && status.textContent !== said) status.textContent = said;
      status.classList.toggle("siege-trouble", Boolean(trouble) && trouble !== LATE);
      status.setAttribute("aria-busy", working()); // a screen reader waits for the end
      again.hidden = !trouble || trouble === LATE;
      for (const one of [net, eps]) one.disabled = !now;
      if (!now) return;
      if (!fill) {
        for (const name of now.nets) add(net, "option", "", { value: name }, name);
        eps.max = now.most;
        fill = ranks(board, id, now.looks, (name) => set({ attacker: name }));
      }
      net.value = settings.net;
      eps.value = settings.eps;
      output.textContent = settings.eps.toFixed(2);
      fill(now, settings);
      digits.classList.toggle("siege-stale", !reached());
      if (drawn === now) return;
      drawn = now;
      const { net: name, attacker, eps: at } = now.settings;
      title.textContent = `Right at eps = ${at.toFixed(2)}`;
      caption.textContent = `Right against eps: ${name}`;
      claim.textContent = now.claim?.text ?? "";
      claim.classList.toggle("siege-fallen", Boolean(now.claim?.fallen));
      sketch();
      heading.textContent = now.done
        ? `The first digits after ${attacker} at eps = ${at.toFixed(2)}, and what the net says`
        : `The first digits before any attack, and what the net says`;
      row();
    }

    function sketch() {
      const { net: name, attacker, eps: at } = now.settings;
      const width = chart.clientWidth;
      if (width) chart.innerHTML = plot(now, attacker, at, width, 236);
      const tried = Object.entries(now.curves).filter(([, points]) => points.length > 1);
      const each = tried.map(([one, points]) => `${one}: ${points.map(([x, share]) => `${percent(share)} at ${x}`).join(", ")}`);
      chart.setAttribute("aria-label", `Digits of ${name} that stay right, against eps. ${each.join("; ") || "Nothing tried yet"}.`);
    }

    function row() {
      const [channels, height, width] = now.shape;
      const size = channels * height * width;
      digits.replaceChildren();
      now.digits.forEach(([label, named], i) => {
        const right = label === named;
        const figure = add(digits, "figure", right ? "siege-right" : "siege-wrong");
        const canvas = add(figure, "canvas", "", { role: "img", "aria-label": `a ${label}: the net says ${named}, ${right ? "right" : "wrong"}` });
        paint(canvas, now.picture.subarray(i * size, (i + 1) * size), now.shape);
        add(figure, "figcaption", "", { "aria-hidden": "true" }, right ? `✓ ${named}` : `✗ ${named}, not ${label}`);
      });
    }

    net.addEventListener("change", () => set({ net: net.value }));
    eps.addEventListener("input", () => set({ eps: Number(eps.value) }));
    again.addEventListener("click", () => set({}));
    views.add(show);
    show();
    const watch = new ResizeObserver(() => now && sketch());
    watch.observe(chart);
    return () => {
      watch.disconnect();
      views.delete(show);
    };
  }

  return { initialize, render };
};
