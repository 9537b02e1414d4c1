// What the widgets in the page share; `Widget` puts it before the script of each.

const NO_ANSWER = "No answer yet. The kernel is busy, or it was restarted: then run the cell again.";
const GONE = "The kernel that answered here is gone: run the cell again.";

// JupyterLab takes the keys of a control that has not this attribute itself; that its parent has it is not enough.
const KEYS = "data-lm-suppress-shortcuts";
const CONTROLS = "a[href], button, input, select, summary, textarea, [contenteditable], [tabindex]";

// Keys that are pressed in `root` are for its controls, whoever made them and when. A control that is taken away,
// switched off or hidden while it has the focus hands it on: to the first one, to its neighbour, or else to `root`.
function guard(root) {
  let focused = null;
  const off = (one) => !one.isConnected || one.disabled || Boolean(one.closest("[hidden]"));

  function heir() {
    const all = [...root.querySelectorAll(CONTROLS)];
    const at = all.indexOf(focused);
    const near = [...all.slice(0, Math.max(0, at)).reverse(), ...all.slice(at + 1)];
    const one = near.find((other) => !off(other) && other.tabIndex >= 0);
    if (one?.type !== "radio") return one;
    return all.find((other) => other.name === one.name && other.checked && !off(other)) ?? one;
  }

  function mend() {
    for (const one of [root, ...root.querySelectorAll(CONTROLS)]) one.setAttribute(KEYS, "true");
    if (!focused || !off(focused)) return;
    const one = heir() ?? root;
    if (one === root) {
      root.tabIndex = -1;
      root.addEventListener("blur", () => root.removeAttribute("tabindex"), { once: true });
    }
    one.focus({ preventScroll: true });
  }

  root.addEventListener("focusin", ({ target }) => (focused = target));
  root.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (relatedTarget) focused = null;
    else queueMicrotask(() => target === focused && !off(target) && (focused = null)); // once it is gone, if it goes
  });
  new MutationObserver(mend).observe(root, { childList: true, subtree: true, attributeFilter: ["disabled", "hidden"] });
  mend();
}

// The element that holds a widget.
function panel(el, className) {
  const root = add(el, "div", `course-widget ${className}`);
  guard(root);
  return root;
}

function add(parent, tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  return put(parent, node, attributes, text);
}

// As `add`, of an SVG: svg(plot, "circle", { class: "evolution-own", cx: 3, cy: 4, r: 3 }).
function svg(parent, tag, attributes = {}, text = "") {
  return put(parent, document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, text);
}

function put(parent, node, attributes, text) {
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function button(parent, text, act, className = "", attributes = {}) {
  const node = add(parent, "button", className, { type: "button", ...attributes }, text);
  node.addEventListener("click", act);
  return node;
}

// A list to choose from, with its name before it; `act(value)`. `offer` fills it.
function choice(parent, name, act) {
  const row = add(parent, "label", "course-choice");
  add(row, "span", "", {}, name);
  const select = add(row, "select", "", { "aria-label": name });
  select.addEventListener("change", () => act(select.value));
  return select;
}

// Add what is new among the names, and choose a value.
function offer(select, names, value) {
  for (const name of names.slice(select.options.length)) add(select, "option", "", { value: name }, name);
  select.value = value;
}

// A slider between its name and what it stands at; `act(number)`.
function slider(parent, name, { min = 0, max, step = 1 }, act) {
  const row = add(parent, "label", "course-slider");
  add(row, "span", "", {}, name);
  const input = add(row, "input", "", { type: "range", min, max, step, "aria-label": name });
  input.addEventListener("input", () => act(Number(input.value)));
  const output = add(row, "output");
  const set = (value, text = String(value), spoken = text) => {
    input.value = value;
    output.textContent = text;
    input.setAttribute("aria-valuetext", spoken);
  };
  return { row, input, output, set };
}

// The line that says how things stand, which a screen reader reads out.
function status(parent, className = "course-status") {
  return add(parent, "div", className, { role: "status", "aria-live": "polite" });
}

// A chart as wide as its place, drawn anew when that changes: `fill(svg, width)`. `draw(words)` also says what.
function chart(parent, className, height, fill) {
  const node = add(parent, "div", `course-plot ${className}`, { role: "img" });
  node.style.minHeight = `${height}px`;
  const draw = (words) => {
    const width = node.clientWidth;
    if (words) node.setAttribute("aria-label", words);
    node.replaceChildren();
    if (width) fill(svg(node, "svg", { width, height, "aria-hidden": "true" }), width);
  };
  const watch = new ResizeObserver(() => draw());
  watch.observe(node);
  return { draw, end: () => watch.disconnect() };
}

// The axes of a chart: maps of [0, 1] to its pixels, and what draws there. Ticks are pairs [place in [0, 1], text].
function axes(root, width, height, { across = [], up = [], label, left = 42, bottom = 36, edge = 8, grid = false }) {
  const tenth = (pixels) => Math.round(10 * pixels) / 10;
  const x = (at) => tenth(left + at * (width - left - edge));
  const y = (at) => tenth(height - bottom - at * (height - bottom - edge));
  const path = (kind, d, parent = root) => svg(parent, "path", { class: kind, d });
  const line = (kind, points, parent = root) =>
    svg(parent, "polyline", { class: kind, points: points.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") });
  const dot = (kind, [a, b], r) => svg(root, "circle", { class: kind, cx: x(a), cy: y(b), r });
  const text = (px, py, what, anchor = "middle", kind = "") =>
    svg(root, "text", { x: px, y: py, "text-anchor": anchor, class: kind }, what);
  if (grid) for (const [at] of up) path("course-grid", `M${x(0)} ${y(at)}H${x(1)}`);
  path("course-frame", `M${x(0)} ${y(1)}V${y(0)}H${x(1)}`);
  for (const [at, what] of across) text(x(at), height - bottom + 16, what, at > 0.97 ? "end" : "middle");
  for (const [at, what] of up) text(left - 6, y(at) + 4, what, "end");
  text((left + width) / 2, height - 4, label);
  return { x, y, path, line, dot, text };
}

// The bytes of a buffer from the kernel: a DataView in JupyterLab, a Uint8Array in Colab, an ArrayBuffer elsewhere.
function bytesOf(buffer) {
  const { buffer: whole = buffer, byteOffset, byteLength } = buffer;
  return new Uint8Array(whole, byteOffset, byteLength);
}

function floatsOf(buffer) {
  return new Float32Array(bytesOf(buffer).slice().buffer); // a copy, which begins where a number may begin
}

// Fill a canvas with one of these images: pixels with one byte a channel, grey or colour.
function paint(canvas, bytes, [channels, height, width], which = 0) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const at = channels * (which * width * height + i);
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = bytes[at + (c % channels)];
    picture.data[4 * i + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
}

// What all views of a widget share: the last answer in `now`, `trouble` in words, and the `wishes` of the learner, which
// the kernel gets as questions, one at a time. `keep(message, buffers, mine)` gives what to hold of an answer, to this
// page or to another one that shows the same widget; `idle()` a question when there is no wish; `failed(text)` hears of
// an error, and if no answer comes within 5 s, or there is no kernel any more; `closed()` of the last view's end.
function shared({ keep, idle = () => null, failed = () => {}, closed = () => {}, wishes = [{ do: "show" }] }) {
  const page = Math.random();
  const views = new Set();
  const me = { now: null, trouble: "", wishes, want, ask, draw, update, fail, say, view, initialize };
  let waiting = null;
  let send = null;

  function want(wish) {
    me.wishes.push(wish);
    ask();
  }

  function ask() {
    const question = waiting ? null : me.wishes.shift() ?? idle();
    if (!question) return;
    waiting = setTimeout(() => silent(NO_ANSWER), 5000);
    try {
      send({ page, ...question });
    } catch {
      silent(GONE);
    }
  }

  function draw() {
    views.forEach((one) => one());
  }

  function update() {
    ask();
    draw();
  }

  function rest() {
    clearTimeout(waiting);
    waiting = null;
  }

  function silent(text) {
    rest();
    fail(text);
  }

  function fail(text) {
    me.trouble = text;
    failed(text);
    draw();
  }

  function hear(message, buffers) {
    const mine = message.page === page;
    if (message.error && !mine) return;
    if (mine) {
      rest();
      me.trouble = message.error ?? "";
    }
    if (message.error) failed(message.error);
    else me.now = keep(message, buffers, mine);
    requestAnimationFrame(() => {
      draw();
      ask();
    });
  }

  // Trouble, or else `text()`, in the line for it; while `busy`, a screen reader waits for the end.
  function say(line, text, busy = false) {
    const words = me.trouble || (me.now ? text() : "Waiting for the kernel.");
    line.setAttribute("aria-busy", busy);
    line.classList.toggle("course-trouble", Boolean(me.trouble));
    if (line.textContent !== words) line.textContent = words;
  }

  // A view that `show()` draws, from now until the function is called that this returns, and that calls `end()`.
  function view(show, end = () => {}) {
    views.add(show);
    show();
    return () => {
      end();
      views.delete(show);
      if (!views.size) closed();
    };
  }

  function initialize({ model }) {
    send = (message) => model.send(message);
    model.on("msg:custom", hear);
    ask();
    return () => {
      rest();
      model.off("msg:custom", hear);
    };
  }

  return me;
}
