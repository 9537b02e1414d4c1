// What ipywidgets leaves out for the controls of `widgets.controls`: their keys are theirs, a slider says its name, and
// whoever moves one while the kernel is gone reads why nothing happens.

export default () => {
  const watch = shared({ wishes: [], keep: (message) => message });

  function use() {
    if (!watch.wishes.length) watch.want({ do: "show" });
  }

  function render({ el }) {
    const line = add(el, "div", "course-widget course-trouble", { role: "alert", hidden: "" });
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
    const show = () => {
      line.textContent = watch.trouble;
      line.hidden = !watch.trouble;
    };
    return watch.view(show, () => cancelAnimationFrame(due));
  }

  return { initialize: watch.initialize, render };
};
