// The photo laboratory in the page. Its settings stand here; the kernel gets one question at a time, and once there is an
// attack to see, the next one is for the settings of that moment. All views of a laboratory share what this file holds.

const TITLES = ["the photo", "attacked", "random signs", "what the attack changed"];
const MATCHES = 8; // classes in the list

// The classes whose names fit what was typed: those that begin so, then those with a word that does, then the others.
function matches(classes, typed) {
  const text = typed.trim().toLowerCase();
  const rank = (name) => (name.startsWith(text) ? 0 : name.includes(` ${text}`) ? 1 : name.includes(text) ? 2 : 3);
  const fit = classes.map((name, k) => ({ k, name, rank: rank(name.toLowerCase()) })).filter((one) => one.rank < 3);
  return fit.sort((a, b) => a.rank - b.rank || a.name.localeCompare(b.name)).slice(0, MATCHES);
}

// A text field with a list of classes beneath it; `chosen(k)` gets the number of one.
function combobox(parent, id, classes, chosen) {
  const box = add(parent, "div", "photolab-combo");
  const input = add(box, "input", "", {
    id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder: "type to search",
    "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": `${id}-list`,
  });
  const list = add(box, "ul", "photolab-list", { id: `${id}-list`, role: "listbox", "aria-label": "classes", hidden: "" });
  let [found, at, current] = [[], -1, 0];

  function show(open) {
    list.hidden = !open;
    input.setAttribute("aria-expanded", open);
    if (!open) return input.removeAttribute("aria-activedescendant");
    list.replaceChildren();
    found.forEach(({ k, name }, i) => {
      const option = add(list, "li", "", { id: `${id}-${k}`, role: "option", "aria-selected": i === at }, name);
      option.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
      option.addEventListener("click", () => choose(i));
    });
    if (!found.length) add(list, "li", "photolab-none", { role: "option", "aria-disabled": "true" }, `none of the ${classes().length.toLocaleString("en")} classes`);
    if (at >= 0) input.setAttribute("aria-activedescendant", `${id}-${found[at].k}`);
    else input.removeAttribute("aria-activedescendant");
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

  input.addEventListener("input", () => search(input.value));
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", () => {
    show(false);
    input.value = classes()[current] ?? "";
  });
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
      input.value = classes()[current];
      show(false);
      event.stopPropagation();
    }
  });
  return (k) => {
    current = k;
    if (document.activeElement !== input) input.value = classes()[k];
  };
}

function build(el) {
  const root = panel(el, "photolab");
  const id = `photolab-${Math.random().toString(36).slice(2)}`;
  const above = add(root, "div", "photolab-row");
  const field = (name, text, parent = above) => {
    const box = add(parent, "div", "photolab-field");
    add(box, "label", "", { for: `${id}-${name}` }, text);
    return box;
  };
  const photo = add(field("photo", "Photo"), "select", "", { id: `${id}-photo` });
  const target = field("target", "It should say");
  const sliders = {};
  for (const [name, text] of Object.entries({ eps: "ε, the largest change", steps: "steps" })) {
    const box = field(name, text);
    const line = add(box, "div", "photolab-slide");
    const slider = add(line, "input", "", { id: `${id}-${name}`, type: "range", min: name === "steps" ? 1 : 0, step: 1 });
    sliders[name] = { slider, text: add(line, "output", "", { for: `${id}-${name}` }) };
  }
  const buttons = add(root, "div", "photolab-buttons");
  const go = add(buttons, "button", "photolab-button photolab-first", { type: "button" }, "Attack");
  const status = add(root, "div", "photolab-status", { role: "status", "aria-live": "polite" });
  const grid = add(root, "div", "photolab-grid");
  const panels = TITLES.map((title) => {
    const figure = add(grid, "figure", "photolab-panel");
    add(figure, "figcaption", "", {}, title);
    return { figure, canvas: add(figure, "canvas", "", { role: "img" }), below: add(figure, "div", "photolab-below") };
  });
  return { id, photo, target, sliders, buttons, go, status, panels };
}

function chart(box, rows, classes, target) {
  box.replaceChildren();
  const list = add(box, "ol", "photolab-bars", { "aria-label": "what the network says" });
  for (const [k, share, text] of rows) {
    const row = add(list, "li", k === target ? "photolab-target" : "");
    const line = add(row, "div", "photolab-line");
    add(line, "span", "photolab-name", {}, classes[k]);
    add(line, "span", "photolab-text", {}, ` ${text}`);
    const bar = add(row, "div", "photolab-track", { "aria-hidden": "true" });
    add(bar, "div", "photolab-bar").style.width = `${100 * share}%`;
  }
}

const levels = (eps) => (eps === 1 ? "1 level" : `${eps} levels`);

export default () => {
  const views = new Set();
  let wishes = [{ do: "show" }]; // before the attack
  let again = false; // an attack is wanted
  let busy = ""; // what the kernel is asked for
  let classes = [];
  let now = null; // the last answer, and its pictures
  let settings = null; // where they stand in the page
  let trouble = "";

  const { ask, initialize } = conversation(next, hear, late);

  function next() {
    const wish = wishes.shift() ?? (again ? { do: "attack", ...settings } : null);
    if (wish?.do === "attack") again = false;
    busy = wish ? { show: "Looking", photo: "Looking", upload: `Reading ${wish.name}`, attack: "Attacking" }[wish.do] : "";
    return wish;
  }

  function want(wish) {
    again = false; // another photo begins without an attack
    wishes = wishes.filter((one) => one.do !== "photo");
    wishes.push(wish);
    trouble = "";
    ask();
    draw();
  }

  function attack() {
    again = true;
    trouble = "";
    ask();
    draw();
  }

  function set(name, value) {
    settings[name] = value;
    if (now.bars.length > 1 && !wishes.length) attack();
    else draw();
  }

  function fail(text) {
    trouble = text;
    draw();
  }

  function hear(message, buffers, mine) {
    if (mine) {
      trouble = message.error ?? "";
      busy = "";
    }
    if (!message.error) {
      now = { ...message, pictures: buffers.map(bytesOf) };
      classes = message.classes ?? classes;
      if (!settings || !mine) settings = { target: now.target, eps: now.eps, steps: now.steps };
    }
    ask();
    draw();
  }

  function late() {
    again = false;
    busy = "";
    trouble = "No answer yet. The kernel is busy, or it was restarted: then run the cell of this laboratory again.";
    draw();
  }

  function draw() {
    views.forEach((view) => view());
  }

  function tell() {
    const best = (i) => `${classes[now.bars[i][0][0]]} at ${now.bars[i][0][2]}`;
    if (now.bars.length === 1) return `The network says ${best(0)}. Choose what it should say, and press Attack.`;
    const size = `No channel of a pixel moved by more than ${levels(now.eps)} of 255`;
    return `${size}, in ${now.steps === 1 ? "one step" : `${now.steps} steps`}: now the network says ${best(1)}. With random signs of that size it says ${best(2)}.`;
  }

  function render({ el }) {
    const { id, photo, target, sliders, buttons, go, status, panels } = build(el);
    const aim = combobox(target, `${id}-target`, () => classes, (k) => set("target", k));
    const upload = uploader(buttons, "photolab-button", "A photo of yours …", (name, data) => want({ do: "upload", name, data }), fail);
    let drawn = null;

    function show() {
      for (const one of [photo, upload, go, target.querySelector("input"), ...Object.values(sliders).map((s) => s.slider)]) one.disabled = !now;
      status.classList.toggle("photolab-trouble", Boolean(trouble));
      status.setAttribute("aria-busy", Boolean(busy)); // a screen reader waits for the end
      status.textContent = trouble || (busy && now ? `${busy} …` : now ? tell() : "Waiting for the kernel.");
      if (!now) return;
      go.textContent = busy === "Attacking" ? "Attacking …" : "Attack";
      for (const [name, { slider, text }] of Object.entries(sliders)) {
        slider.max = now.most[name];
        slider.value = settings[name];
        text.textContent = name === "eps" ? `${settings.eps}/255` : settings.steps;
        slider.setAttribute("aria-valuetext", name === "eps" ? `${levels(settings.eps)} of 255` : settings.steps);
      }
      aim(settings.target);
      if (drawn === now) return;
      drawn = now;
      photo.replaceChildren();
      for (const name of now.photos) add(photo, "option", "", { value: name }, name);
      photo.value = now.photo;
      panels.forEach(({ figure, canvas, below }, i) => {
        figure.hidden = i >= now.pictures.length;
        if (figure.hidden) return;
        paint(canvas, now.pictures[i], now.shape);
        const rows = now.bars[i];
        const label = rows ? `${TITLES[i]}: the network says ${classes[rows[0][0]]} at ${rows[0][2]}` : `${TITLES[i]}, ${now.factor} times as large`;
        canvas.setAttribute("aria-label", `${now.photo}, ${label}`);
        if (rows) chart(below, rows, classes, now.bars.length > 1 ? now.target : -1);
        else below.textContent = `${now.factor} times as large; grey is no change.`;
      });
    }

    photo.addEventListener("change", () => want({ do: "photo", name: photo.value }));
    for (const [name, { slider }] of Object.entries(sliders)) slider.addEventListener("input", () => set(name, Number(slider.value)));
    go.addEventListener("click", attack);
    views.add(show);
    show();
    return () => views.delete(show);
  }

  return { initialize, render };
};
