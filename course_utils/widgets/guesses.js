// The form of a prediction. The guess travels in the same message as the click: with two messages, the kernel might
// see the click first.

function render({ model, el }) {
  const root = panel(el, "predict");
  const state = { locked: model.get("locked"), revealed: model.get("revealed") };
  const name = `guess-${Math.random()}`;
  let status = null;

  function fill(again = false) {
    root.replaceChildren();
    const question = add(root, "p", "");
    add(question, "b", "", {}, "Predict: ");
    model.get("question").split("`").forEach((part, i) => add(question, i % 2 ? "code" : "span", "", {}, part));
    if (state.locked && !again) {
      const line = add(root, "p", "", { role: "status" }, "Locked in: ");
      add(line, "b", "", {}, state.locked);
      status = add(line, "span", "");
      if (!state.revealed) add(root, "button", "", { type: "button" }, "Guess again").onclick = () => fill(true);
      return;
    }
    const form = add(root, "form", "");
    for (const choice of model.get("choices")) {
      const label = add(form, "label", "predict-choice");
      add(label, "input", "", { type: "radio", name, value: choice });
      add(label, "span", "", {}, choice);
    }
    if (!model.get("choices").length) {
      const label = add(form, "label", "", {}, "Your guess: ");
      add(label, "input", "", { name, size: 10, inputmode: "decimal", autocomplete: "off" });
      add(label, "span", "", {}, model.get("unit"));
    }
    add(form, "button", "", { type: "submit" }, "Lock in");
    form.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // a browser does the same by itself, but not within JupyterLab
      form.requestSubmit();
    };
    status = add(root, "p", "", { role: "status" });
    form.onsubmit = (event) => {
      event.preventDefault();
      status.textContent = "Waiting for the kernel: it is busy, or was restarted, then run this cell again.";
      model.send({ guess: new FormData(form).get(name) ?? "" });
    };
  }

  function hear({ trouble, ...news }) {
    Object.assign(state, news);
    if (news.locked) fill();
    status.textContent = trouble ? ` ${trouble}` : "";
  }

  model.on("msg:custom", hear);
  fill();
  return () => model.off("msg:custom", hear);
}

export default { render };
