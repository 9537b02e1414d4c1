// The pad in the page. It sends the pen's path to the kernel and shows what comes back: the confidence of each class
// and the image that the network saw. What is drawn while a question is on its way goes with the next.

const LABEL = "Drawing area. Draw a digit with mouse, pen or finger; the confidences beside it follow.";

function build(right, classes) {
  const answer = add(right, "div", "course-beside");
  const bars = add(answer, "div", "drawing-pad-bars", { role: "list", "aria-label": "confidence of each class" });
  const rows = Array.from({ length: classes }, (_, k) => {
    const row = add(bars, "div", "drawing-pad-row", { role: "listitem" });
    add(row, "span", "drawing-pad-class", {}, k);
    const bar = add(add(row, "span", "course-track"), "span", "course-bar");
    return { row, bar, text: add(row, "span", "drawing-pad-text") };
  });
  const figure = add(answer, "figure", "drawing-pad-seen");
  const what = "The 28 by 28 pixels that the network sees";
  const seen = add(figure, "canvas", "course-pixels", { role: "img", "aria-label": what });
  add(figure, "figcaption", "", {}, "what the network sees");
  return { rows, seen };
}

function render({ model, el }) {
  const side = model.get("side");
  const root = panel(el, "course-beside drawing-pad");
  const left = add(root, "div", "drawing-pad-left");
  const size = { width: 2 * side, height: 2 * side };
  const canvas = add(left, "canvas", "drawing-pad-canvas", { ...size, role: "img", "aria-label": LABEL });
  const buttons = add(left, "div", "course-row drawing-pad-buttons");
  const undo = button(buttons, "Undo stroke", () => keep(strokes.slice(0, -1)));
  const clear = button(buttons, "Clear", () => keep([]));
  const right = add(root, "div");
  const readout = status(right, "drawing-pad-readout");
  const { rows, seen } = build(right, model.get("classes"));
  const pen = canvas.getContext("2d");
  let strokes = []; // another view of the same pad has strokes of its own
  let pointer = null; // the finger that draws; a second one is ignored
  let changed = false;
  let frame = null;
  let drawn; // the answer beside the drawing
  const pad = shared({
    wishes: [],
    keep: (message, [image], mine) => (mine && strokes.length ? { ...message, image: bytesOf(image) } : pad.now),
    idle: () => {
      if (!changed || !strokes.length) return null;
      changed = false;
      return { do: "look", strokes };
    },
  });

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

  function show() {
    ink();
    undo.disabled = clear.disabled = !strokes.length;
    const answer = pad.trouble ? null : pad.now;
    const { shares, texts, best, image = new Uint8Array(784) } = answer ?? {};
    if (strokes.length) pad.say(readout, () => `The network says ${best} with ${texts[best]} confidence.`, pointer !== null);
    else readout.textContent = "Draw a digit.";
    if (drawn === answer) return;
    drawn = answer;
    rows.forEach(({ row, bar, text }, k) => {
      row.classList.toggle("drawing-pad-best", k === best);
      bar.style.width = `${100 * (shares?.[k] ?? 0)}%`;
      text.textContent = texts?.[k] ?? "";
    });
    paint(seen, image, [1, 28, 28]);
  }

  function keep(some) {
    strokes = some;
    changed = true;
    if (!strokes.length) [pad.now, pad.trouble] = [null, ""];
    frame ??= requestAnimationFrame(() => {
      frame = null;
      pad.update();
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
    keep(strokes);
  }

  function lift(event) {
    if (event.pointerId !== pointer) return;
    pointer = null;
    show(); // a screen reader waits for the end of the stroke
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push([]);
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => event.pointerId === pointer && draw(event));
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  pad.view(show);
  return pad.initialize({ model });
}

export default { render };
