// The pad in the page. It sends the pen's path to the kernel and shows what comes back: the confidence of each class
// and the image that the network saw. At most one question is on its way; what is drawn meanwhile goes with the next.

const PATIENCE = 3000; // milliseconds without an answer after which the pad says so

function build(el, side, classes) {
  const root = panel(el, "sketchpad");
  const left = add(root, "div", "sketchpad-left");
  const label = "Drawing area. Draw a digit with mouse, pen or finger; the confidences beside it follow.";
  const canvas = add(left, "canvas", "sketchpad-canvas", { width: 2 * side, height: 2 * side, role: "img", "aria-label": label });
  const buttons = add(left, "div", "sketchpad-buttons");
  const undo = add(buttons, "button", "", { type: "button" });
  undo.textContent = "Undo stroke";
  const clear = add(buttons, "button", "", { type: "button" });
  clear.textContent = "Clear";

  const right = add(root, "div", "sketchpad-right");
  const readout = add(right, "div", "sketchpad-readout", { "aria-live": "polite", role: "status" });
  const answer = add(right, "div", "sketchpad-answer");
  const bars = add(answer, "div", "sketchpad-bars", { role: "list", "aria-label": "confidence of each class" });
  const rows = Array.from({ length: classes }, (_, k) => {
    const row = add(bars, "div", "sketchpad-row", { role: "listitem" });
    add(row, "span", "sketchpad-class").textContent = k;
    const bar = add(add(row, "span", "sketchpad-track"), "span", "sketchpad-bar");
    return { row, bar, text: add(row, "span", "sketchpad-text") };
  });
  const figure = add(answer, "figure", "sketchpad-seen");
  const seen = add(figure, "canvas", "", { width: 28, height: 28, role: "img", "aria-label": "The 28 by 28 pixels that the network sees" });
  add(figure, "figcaption", "").textContent = "what the network sees";
  return { canvas, undo, clear, readout, rows, seen };
}

function render({ model, el }) {
  const side = model.get("side");
  const { canvas, undo, clear, readout, rows, seen } = build(el, side, model.get("classes"));
  const pen = canvas.getContext("2d");
  const view = Math.random(); // another view of the same pad has strokes of its own
  let strokes = [];
  let pointer = null; // the finger that draws; a second one is ignored
  let frame = null;
  let changed = false;
  let waiting = null;

  function ink() {
    pen.setTransform(canvas.width / side, 0, 0, canvas.width / side, 0, 0);
    pen.fillStyle = "black";
    pen.fillRect(0, 0, side, side);
    Object.assign(pen, { strokeStyle: "white", lineWidth: model.get("pen"), lineCap: "round", lineJoin: "round" });
    for (const [first, ...rest] of strokes) {
      pen.beginPath();
      pen.moveTo(...first);
      pen.lineTo(...first);
      for (const point of rest) pen.lineTo(...point);
      pen.stroke();
    }
  }

  function show({ shares = [], texts = [], best = -1 }, image) {
    rows.forEach(({ row, bar, text }, k) => {
      row.classList.toggle("sketchpad-best", k === best);
      bar.style.width = `${100 * (shares[k] ?? 0)}%`;
      text.textContent = texts[k] ?? "";
    });
    paint(seen, image ? bytesOf(image) : new Uint8Array(784), [1, 28, 28]);
  }

  function say(text, trouble = false) {
    readout.classList.toggle("sketchpad-trouble", trouble);
    if (readout.textContent !== text) readout.textContent = text;
  }

  function ask() {
    if (waiting || !changed || !strokes.length) return;
    changed = false;
    waiting = setTimeout(() => {
      waiting = null;
      say("The kernel does not answer. It is busy, or it was restarted: then run the cell of this pad again.", true);
    }, PATIENCE);
    model.send({ view, strokes });
  }

  function hear(message, buffers) {
    if (message.view !== view) return;
    clearTimeout(waiting);
    waiting = null;
    if (!strokes.length) return;
    show(message, buffers[0]);
    if (message.error) say(message.error, true);
    else say(`The network says ${message.best} with ${message.texts[message.best]} confidence.`);
    ask();
  }

  function update() {
    changed = true;
    frame ??= requestAnimationFrame(() => {
      frame = null;
      ink();
      undo.disabled = clear.disabled = !strokes.length;
      if (!strokes.length) {
        show({});
        say("Draw a digit.");
      }
      ask();
    });
  }

  function draw(event) {
    const box = canvas.getBoundingClientRect();
    const stroke = strokes.at(-1);
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of moves.length ? moves : [event]) {
      const point = [clientX - box.left, clientY - box.top].map((d) => Math.round((d * side) / box.width));
      const last = stroke.at(-1);
      if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= 2) stroke.push(point);
    }
    update();
  }

  function lift(event) {
    if (event.pointerId !== pointer) return;
    pointer = null;
    readout.removeAttribute("aria-busy");
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    readout.setAttribute("aria-busy", "true"); // a screen reader waits for the end of the stroke
    strokes.push([]);
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => event.pointerId === pointer && draw(event));
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  undo.addEventListener("click", () => { strokes.pop(); update(); });
  clear.addEventListener("click", () => { strokes = []; update(); });
  model.on("msg:custom", hear);
  update();
  return () => {
    clearTimeout(waiting);
    model.off("msg:custom", hear);
  };
}

export default { render };
