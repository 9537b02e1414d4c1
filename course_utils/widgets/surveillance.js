// A face camera in the page. The kernel gets one question at a time: a photo, or what the camera shows by then, with what
// is to hang in it. All views of it share what this file holds, so there is one camera, and one button stops it.

const FRAME = 320; // pixels along the longer side of a picture from the camera
const OTHERS = "You can take a photo instead: one of the list, or one of yours.";
const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the camera. The lock or the camera beside the address changes that.",
  NotFoundError: "There is no camera here.",
  NotReadableError: "The camera does not start: another program may be using it.",
  InsecureContext: "A browser gives the camera only to pages from localhost or https.",
};
const SLIDERS = { size: "its size", across: "its place from left to right", down: "its place from top to bottom" };
const WHERE = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)
  ? "Here the kernel runs at localhost, so no picture leaves this machine (unless your localhost leads to another one)."
  : "This page does not come from localhost, so the kernel may run on another machine, and a picture goes there.";
const NOTE = `The kernel gets one small picture at a time and keeps none of the camera's. ${WHERE} The noise is pasted into the picture: it was never on paper.`;

// A camera that is off at first. `ended()` is called when it stops by itself.
function makeCamera(ended) {
  let video = null; // the picture, while the camera is on
  let wanted = 0; // who asked last: a permission may come after the learner has changed their mind
  const end = (stream) => stream.getTracks().forEach((track) => track.stop());

  function stop() {
    wanted++;
    if (video) end(video.srcObject);
    video = null;
  }

  async function start() {
    const mine = ++wanted;
    if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(""), { name: "InsecureContext" });
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: "user" } });
    const picture = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
    try {
      await picture.play();
      if (!picture.videoWidth) await new Promise((go) => picture.addEventListener("loadeddata", go, { once: true }));
    } catch (error) {
      end(stream);
      throw error;
    }
    if (mine !== wanted) return end(stream);
    video = picture;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (video !== picture) return;
      stop();
      ended();
    });
  }

  const frame = () => (video ? shrink(video, video.videoWidth, video.videoHeight, FRAME) : null);
  return { start, stop, frame, on: () => Boolean(video) };
}

// The picture, twice as large, and a box about each face: pink where it lies on what hangs there.
function mark(canvas, { picture, shape, marks }) {
  const [, height, width] = shape;
  const small = document.createElement("canvas");
  paint(small, picture, shape);
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, 2 * width, 2 * height);
  pen.font = "600 20px system-ui, sans-serif";
  for (const { box, text, on } of marks) {
    const [left, top, right, bottom] = box.map((edge) => 2 * edge);
    const [color, words] = on ? ["#cc79a7", "black"] : ["#0072b2", "white"];
    for (const [strokeStyle, lineWidth] of [["white", 8], [color, 4]]) {
      Object.assign(pen, { strokeStyle, lineWidth });
      pen.strokeRect(left, top, right - left, bottom - top);
    }
    const wide = pen.measureText(text).width + 12;
    const [x, y] = [Math.max(0, Math.min(left - 2, 2 * width - wide)), Math.max(0, top - 30)];
    pen.fillStyle = color;
    pen.fillRect(x, y, wide, 28);
    pen.fillStyle = words;
    pen.fillText(text, x + 6, y + 21);
  }
}

function sentence({ marks, settings }) {
  if (!marks.length) return "No face found.";
  const each = marks.map(({ text, on }) => (on ? `${text} (on the ${settings.hangs})` : text)).join(", ");
  return `${marks.length === 1 ? "One face" : `${marks.length} faces`} found: ${each}.`;
}

export default () => {
  let moved = false; // the settings, since the kernel was last asked
  let asking = false; // for the permission to use the camera
  let settings = null; // as they stand in the page
  let pace = []; // when the last pictures came
  let sorry = ""; // trouble that stays until the learner does something else
  const camera = makeCamera(() => fail(`The camera was switched off or unplugged. ${OTHERS}`));
  const guard = shared({
    keep: (message, [picture], mine) => {
      if (mine) guard.trouble = sorry;
      if (!settings || !(mine || moved)) settings = message.settings;
      if (message.camera) pace = [...pace.slice(-10), performance.now()];
      return { ...message, picture: bytesOf(picture) };
    },
    idle: () => {
      const frame = settings && camera.frame();
      if (!frame && !moved) return null;
      moved = false;
      return { do: "look", settings, ...(frame ? { frame } : {}) };
    },
    failed: (text) => {
      camera.stop();
      sorry = text === NO_ANSWER ? "" : text;
      moved = Boolean(guard.now?.camera); // back to the photo, but not again if that fails too
      if (guard.now) guard.now.camera = false;
    },
    closed: camera.stop,
  });

  function update() {
    guard.trouble = sorry = "";
    guard.update();
  }

  function fail(text) {
    guard.fail(text);
    guard.ask();
  }

  function want(wish) {
    camera.stop();
    const uploads = guard.wishes.splice(0).filter((one) => one.do === "upload");
    guard.wishes.push(...uploads, wish);
    update();
  }

  function set(changed) {
    settings = { ...settings, ...changed };
    moved = true;
    update();
  }

  async function start() {
    if (asking) return;
    [asking, pace] = [true, []];
    update();
    try {
      await camera.start();
    } catch (error) {
      const why = REFUSALS[error.name] ?? `The camera cannot be used (${error.name}: ${error.message}).`;
      guard.trouble = sorry = `${why} ${OTHERS}`;
    }
    asking = false;
    guard.update();
  }

  function tell() {
    if (asking) return "Asking for the camera: the browser wants your permission.";
    if (!camera.on()) return `A photo: ${guard.now.photo}.`;
    const rate = pace.length > 2 ? (1000 * (pace.length - 1)) / (pace.at(-1) - pace[0]) : 0;
    return `The camera is on${rate >= 1 ? `, about ${Math.round(rate)} pictures a second` : ""}.`;
  }

  function render({ el }) {
    const root = panel(el, "surveillance");
    const view = add(root, "canvas", "", { role: "img" });
    const side = add(root, "div", "course-fields surveillance-side");
    const buttons = add(side, "div", "course-row");
    const use = () => (camera.on() ? want({ do: "photo", name: guard.now.photo }) : start());
    const toggle = button(buttons, "", use, "course-first");
    const upload = uploader(buttons, (name, data) => want({ do: "upload", name, data }), fail);
    const photo = choice(side, "photo", (name) => want({ do: "photo", name }));
    const hangs = choice(side, "what hangs in the picture", (thing) => set({ hangs: thing }));
    const sliders = Object.entries(SLIDERS).map(([name, text]) => {
      const range = { min: name === "size" ? 0.1 : 0, max: 1, step: 0.02 };
      return { name, ...slider(side, text, range, (value) => set({ [name]: value })) };
    });
    const line = status(root);
    const found = add(root, "div", "course-title surveillance-found");
    add(root, "p", "course-note", {}, NOTE);
    let drawn = null;

    function show() {
      const { now } = guard;
      const nothing = !settings || settings.hangs === "nothing";
      for (const one of [toggle, upload, photo, hangs]) one.disabled = !now;
      for (const { input } of sliders) input.disabled = nothing;
      toggle.textContent = camera.on() ? "Stop the camera" : "Use the camera";
      line.setAttribute("aria-live", camera.on() ? "off" : "polite"); // no ten announcements a second
      guard.say(line, tell);
      if (!now) return;
      offer(photo, now.photos, now.photo);
      offer(hangs, now.things, settings.hangs);
      for (const { name, set: stand } of sliders) stand(settings[name], `${Math.round(100 * settings[name])} %`);
      root.classList.toggle("surveillance-drag", !nothing);
      if (drawn === now) return;
      drawn = now;
      mark(view, now);
      found.textContent = sentence(now);
      const what = now.camera ? "The camera's picture" : `The photo ${now.photo}`;
      view.setAttribute("aria-label", `${what}, with ${now.settings.hangs} in it. ${sentence(now)}`);
    }

    function drag(event) {
      const { now } = guard;
      if (!now?.place || !event.buttons) return;
      const box = view.getBoundingClientRect();
      const [, height, width] = now.shape;
      const [left, top, right, bottom] = now.place;
      const place = (at, side, room) => (room > 0 ? Math.min(1, Math.max(0, (at - side / 2) / room)) : 0.5);
      const across = place(((event.clientX - box.left) / box.width) * width, right - left, width - (right - left));
      const down = place(((event.clientY - box.top) / box.height) * height, bottom - top, height - (bottom - top));
      set({ across, down });
    }

    view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !guard.now?.place) return;
      event.preventDefault();
      view.setPointerCapture(event.pointerId);
      drag(event);
    });
    view.addEventListener("pointermove", drag);
    return guard.view(show);
  }

  return { initialize: guard.initialize, render };
};
