// A photo to attack, in the page. Its settings stand here; the kernel gets one question at a time, and once there is an
// attack to see, the next one is for the settings of that moment. All views of it share what this file holds.

const TITLES = ["the photo", "attacked", "random signs", "what the attack changed"];
const MATCHES = 8; // classes in the list
const BUSY = { photo: "Looking", upload: "Reading the file", attack: "Attacking" };
const levels = (eps) => (eps === 1 ? "1 level" : `${eps} levels`);

// The classes whose names fit what was typed: those that begin so, then those with a word that does, then the others.
function matches(classes, typed) {
  const text = typed.trim().toLowerCase();
  const rank = (name) => (name.startsWith(text) ? 0 : name.includes(` ${text}`) ? 1 : name.includes(text) ? 2 : 3);
  const fit = classes.map((name, k) => ({ k, name, rank: rank(name.toLowerCase()) })).filter((one) => one.rank < 3);
  return fit.sort((a, b) => a.rank - b.rank || a.name.localeCompare(b.name)).slice(0, MATCHES);
}

// A text field with its name above it and a list of classes beneath; `chosen(k)` gets the number of one.
function combobox(parent, label, classes, chosen) {
  const id = `photos-${Math.random().toString(36).slice(2)}`;
  const box = add(parent, "label", "course-choice photos-combo");
  add(box, "span", "", {}, label);
  const input = add(box, "input", "", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder: "type to search",
    "aria-label": label, "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": id,
  });
  const list = add(box, "ul", "photos-list", { id, role: "listbox", "aria-label": "classes", hidden: "" });
  let [found, at, current] = [[], -1, 0];

  function show(open) {
    list.hidden = !open;
    input.setAttribute("aria-expanded", open);
    input.removeAttribute("aria-activedescendant");
    if (!open) return;
    list.replaceChildren();
    found.forEach(({ k, name }, i) => {
      const option = add(list, "li", "", { id: `${id}-${k}`, role: "option", "aria-selected": i === at }, name);
      option.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
      option.addEventListener("click", () => choose(i));
    });
    const none = `none of the ${classes().length.toLocaleString("en")} classes`;
    if (!found.length) add(list, "li", "photos-none", { role: "option", "aria-disabled": "true" }, none);
    if (at >= 0) input.setAttribute("aria-activedescendant", `${id}-${found[at].k}`);
  }

  function search(text) {
    found = matches(classes(), text);
    at = text.trim() && found.length ? 0 : -1;
    show(true);
  }

  function choose(i) {
    current = found[i].k;
    input.value = found[i].name;
    show(false);
    chosen(current);
  }

  function leave() {
    show(false);
    input.value = classes()[current] ?? "";
  }

  input.addEventListener("input", () => search(input.value));
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", leave);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      if (list.hidden) search(input.value === classes()[current] ? "" : input.value);
      else if (found.length) at = (at + step + found.length + (at < 0 && step < 0)) % found.length;
      show(true);
      event.preventDefault();
    } else if (event.key === "Enter" && !list.hidden && at >= 0) {
      choose(at);
      event.preventDefault();
    } else if (event.key === "Escape" && !list.hidden) {
      leave();
      event.stopPropagation();
    }
  });
  const set = (k) => {
    current = k;
    if (document.activeElement !== input) input.value = classes()[k];
  };
  return { input, set };
}

function bars(box, rows, classes, target) {
  box.replaceChildren();
  const list = add(box, "ol", "photos-bars", { "aria-label": "what the network says" });
  for (const [k, p, text] of rows) {
    const row = add(list, "li", k === target ? "photos-target" : "");
    const line = add(row, "div", "photos-line");
    add(line, "span", "photos-name", {}, classes[k]);
    add(line, "span", "photos-text", {}, ` ${text}`);
    add(add(row, "div", "photos-track", { "aria-hidden": "true" }), "div", "photos-bar").style.width = `${100 * p}%`;
  }
}

export default () => {
  let todo = []; // before the attack
  let again = false; // an attack is wanted
  let busy = ""; // what the kernel is asked for
  let classes = [];
  let settings = null; // where they stand in the page
  const photos = shared({
    keep: (message, buffers, mine) => {
      if (mine) busy = "";
      classes = message.classes ?? classes;
      if (!settings || !mine) settings = { target: message.target, eps: message.eps, steps: message.steps };
      return { ...message, pictures: buffers.map(bytesOf) };
    },
    idle: () => {
      const wish = todo.shift() ?? (again ? { do: "attack", ...settings } : null);
      if (wish?.do === "attack") again = false;
      busy = BUSY[wish?.do] ?? "";
      return wish;
    },
    failed: () => (busy = ""),
  });

  function update() {
    photos.trouble = "";
    photos.ask();
    photos.draw();
  }

  function want(wish) {
    again = false; // another photo begins without an attack
    todo = [...todo.filter((one) => one.do !== "photo"), wish];
    update();
  }

  function attack() {
    again = true;
    update();
  }

  function set(name, value) {
    settings[name] = value;
    if (photos.now.bars.length > 1 && !todo.length) attack();
    else photos.draw();
  }

  function tell() {
    const { bars: said, eps, steps } = photos.now;
    if (busy) return `${busy} …`;
    const best = (i) => `${classes[said[i][0][0]]} at ${said[i][0][2]}`;
    if (said.length === 1) return `The network says ${best(0)}. Choose what it should say, and press Attack.`;
    const size = `No channel of a pixel moved by more than ${levels(eps)} of 255`;
    const now = `${size}, in ${steps === 1 ? "one step" : `${steps} steps`}: now the network says ${best(1)}.`;
    return `${now} With random signs of that size it says ${best(2)}.`;
  }

  function render({ el }) {
    const root = panel(el, "photos");
    const above = add(root, "div", "course-fields");
    const photo = choice(above, "Photo", [], (name) => want({ do: "photo", name }));
    const target = combobox(above, "It should say", () => classes, (k) => set("target", k));
    const eps = slider(above, "ε, the largest change", { max: 1 }, (value) => set("eps", value));
    const steps = slider(above, "steps", { min: 1, max: 1 }, (value) => set("steps", value));
    const buttons = add(root, "div", "course-row photos-buttons");
    const go = button(buttons, "Attack", attack, "course-first photos-go");
    const upload = uploader(buttons, (name, data) => want({ do: "upload", name, data }), photos.fail);
    const line = status(root, "course-status photos-status");
    const grid = add(root, "div", "photos-grid");
    const panels = TITLES.map((title) => {
      const figure = add(grid, "figure");
      add(figure, "figcaption", "", {}, title);
      return { figure, canvas: add(figure, "canvas", "", { role: "img" }), below: add(figure, "div", "photos-below") };
    });
    let drawn = null;

    function pictures({ pictures: shown, bars: said, shape, factor, target: goal, photo: name }) {
      panels.forEach(({ figure, canvas, below }, i) => {
        figure.hidden = i >= shown.length;
        if (figure.hidden) return;
        paint(canvas, shown[i], shape);
        const best = said[i]?.[0];
        const label = best ? `: the network says ${classes[best[0]]} at ${best[2]}` : `, ${factor} times as large`;
        canvas.setAttribute("aria-label", `${name}, ${TITLES[i]}${label}`);
        if (best) bars(below, said[i], classes, said.length > 1 ? goal : -1);
        else below.textContent = `${factor} times as large; grey is no change.`;
      });
    }

    function show() {
      const { now } = photos;
      for (const one of [photo, upload, go, target.input, eps.input, steps.input]) one.disabled = !now;
      line.setAttribute("aria-busy", Boolean(busy)); // a screen reader waits for the end
      photos.say(line, tell);
      if (!now) return;
      go.textContent = busy === BUSY.attack ? "Attacking …" : "Attack";
      [eps.input.max, steps.input.max] = [now.most.eps, now.most.steps];
      eps.set(settings.eps, `${settings.eps}/255`, `${levels(settings.eps)} of 255`);
      steps.set(settings.steps);
      target.set(settings.target);
      if (drawn === now) return;
      drawn = now;
      offer(photo, now.photos, now.photo);
      pictures(now);
    }

    return photos.view(show);
  }

  return { initialize: photos.initialize, render };
};
