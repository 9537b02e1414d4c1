// What ipywidgets leaves out for the controls of `widgets.controls`: their keys are theirs, a slider says its name, and
// whoever moves one while the kernel is gone reads why nothing happens.

function render({ model, el }) {
  let used = false;
  const line = add(el, "div", "course-widget course-trouble", { role: "alert", hidden: "" });
  const { ask, initialize } = conversation(next, () => say(""), say);
  const end = initialize({ model });

  function next() {
    const question = used ? { do: "show" } : null;
    used = false;
    return question;
  }

  function say(text) {
    line.textContent = text;
    line.hidden = !text;
  }

  function use() {
    used = true;
    ask();
  }

  let due = requestAnimationFrame(function find() { // the box comes into the page after what it holds
    const box = el.closest(".course-controls");
    if (!box) return (due = requestAnimationFrame(find));
    guard(box);
    for (const kind of ["click", "pointerup", "keyup", "change"]) box.addEventListener(kind, use);
    for (const handle of box.querySelectorAll(".noUi-handle")) {
      const { textContent } = handle.closest(".jupyter-widgets").querySelector(".widget-label");
      handle.setAttribute("aria-label", textContent);
    }
  });
  return () => {
    cancelAnimationFrame(due);
    end();
  };
}

export default { render };
