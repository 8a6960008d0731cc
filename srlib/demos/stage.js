// A stage: controls above, pictures below them, and text beside. The kernel says which; a change asks it for new pictures, once a
// screen frame at most, and only the answer to the newest question is shown.

function render({ model, el }) {
  const { controls, values: initial, upload, hint } = model.get("options");
  const values = { ...initial };
  let point = null; // [row, column] in the pointed picture, 0 to 1
  let seq = 0, shown = 0, waiting = false, laid = "", slow = 0;

  const line = element("div", { class: "sr-said", role: "status" });
  const say = (text, wrong = false) => { line.textContent = text; line.classList.toggle("wrong", wrong); };
  const wait = patience(say);
  const bar = element("div", { class: "sr-bar" });
  const pictures = element("div", { class: "sr-pictures" });
  const side = element("div", { class: "sr-side" });
  const root = element("div", { class: "sr-demo sr-stage" }, bar, element("div", { class: "sr-hint" }, hint), element("div", { class: "sr-columns" }, pictures, side), line);
  el.replaceChildren(root);

  const selects = {};
  for (const one of controls) {
    const set = (value) => { values[one.name] = value; ask(); };
    if (one.kind === "choice") {
      selects[one.name] = choice(one.label, one.options, values[one.name], set);
      bar.append(field(one.label, selects[one.name]));
    } else {
      const told = element("output", {}, `${one.before}${values[one.name]}`);
      const range = element("input", { type: "range", min: one.low, max: one.high, step: one.step, "aria-label": one.label });
      range.value = values[one.name];
      range.addEventListener("input", () => { told.textContent = `${one.before}${range.value}`; set(Number(range.value)); });
      bar.append(field(element("span", {}, `${one.label} `, told), range));
    }
  }
  const load = uploader(upload, (name, bytes) => model.send({ kind: "upload", name }, undefined, [bytes]), say);
  if (upload) {
    bar.insertBefore(load.button, bar.children[1] ?? null);
    droppable(root, load.read);
  }

  function ask() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      seq += 1;
      wait.asked();
      clearTimeout(slow);
      slow = setTimeout(() => { root.classList.add("sr-busy"); if (!shown) pictures.textContent = "The first picture is being made …"; }, 600);
      model.send({ kind: "ask", seq, values, point });
    });
  }

  // One <figure> for each picture; of a wipe one for two.
  function lay(layout, count) {
    if (laid === `${layout} ${count}`) return;
    laid = `${layout} ${count}`;
    pictures.replaceChildren();
    for (let i = 0; i < count; i++) {
      if (layout === "wipe" && i === count - 1) continue; // lies over the one before
      const frame = element("div", { class: "sr-frame" });
      pictures.append(element("figure", { class: "sr-picture" }, element("figcaption"), frame));
      if (layout === "wipe" && i === count - 2) {
        const over = element("div", { style: "position:absolute;inset:0;overflow:hidden" });
        const wipe = wipeHandle(frame, (at) => { over.style.clipPath = `inset(0 0 0 ${100 * at}%)`; });
        const labels = [element("span", { class: "sr-label left" }), element("span", { class: "sr-label right" })];
        frame.append(over, ...labels, wipe.handle);
        wipe.set(0.5);
      }
    }
  }

  function put(frame, picture, view, before) {
    const canvas = painted(view, ...picture.shape);
    canvas.dataset.name = picture.name;
    frame.querySelectorAll(":scope > canvas, :scope > svg").forEach((old) => old.remove());
    frame.insertBefore(canvas, before ?? frame.firstChild);
    if (picture.marks.length) {
      const [rows, columns] = picture.shape;
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
      svg.setAttribute("preserveAspectRatio", "none");
      for (const { kind, ...rest } of picture.marks) {
        const mark = document.createElementNS("http://www.w3.org/2000/svg", kind);
        for (const [name, value] of Object.entries(rest)) mark.setAttribute(name, value);
        mark.setAttribute("vector-effect", "non-scaling-stroke");
        svg.append(mark);
      }
      canvas.after(svg);
    }
    return canvas;
  }

  function caption(target, picture) {
    target.style.borderColor = picture.colour;
    const lines = picture.caption.split("\n");
    target.replaceChildren(...lines.flatMap((part, i) => (i ? [element("br"), part] : [picture.plain ? part : element("b", {}, part)])));
  }

  function answer({ layout, pictures: told, html }, buffers) {
    lay(layout, told.length);
    told.forEach((picture, i) => {
      const last = layout === "wipe" && i === told.length - 1;
      const figure = pictures.children[last ? i - 1 : i];
      const frame = figure.querySelector(".sr-frame");
      if (last) {
        put(frame.querySelector("div"), picture, buffers[i]);
        caption(figure.querySelector("figcaption"), { ...told[i - 1], plain: true, caption: `${told[i - 1].caption.replace("\n", " ")}\n${picture.caption.replace("\n", " ")}` });
        [told[i - 1], picture].forEach((one, k) => {
          const label = frame.querySelectorAll(".sr-label")[k];
          label.textContent = one.name;
          label.style.borderColor = one.colour;
        });
        return;
      }
      frame.style.width = `${picture.width}px`;
      const canvas = put(frame, picture, buffers[i]);
      caption(figure.querySelector("figcaption"), picture);
      figure.classList.toggle("pointed", picture.pointed);
      if (picture.pointed) pointing(canvas);
    });
    side.innerHTML = html;
    side.style.display = html ? "" : "none";
  }

  function pointing(canvas) {
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      point = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map((n) => Math.min(0.999999, Math.max(0, n)));
      ask();
    };
    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", at);
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) at(event); });
    canvas.tabIndex = 0;
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "point at a pixel; arrow keys move the point");
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const from = point ?? [0.5, 0.5];
      point = from.map((n, i) => Math.min(0.999999, Math.max(0, n + step[i] / (i ? canvas.width : canvas.height))));
      ask();
    });
  }

  function hear(content, buffers) {
    wait.heard();
    if (content.kind === "said") {
      say(content.text, content.wrong);
      root.classList.remove("sr-busy");
      if (content.wrong && !shown) pictures.textContent = "";
    }
    if (content.kind === "own") { // an upload was taken
      const select = selects[content.control];
      values[content.control] = owned(select, content.name);
      say(content.text);
      ask();
    }
    if (content.kind === "answer" && content.seq > shown && content.seq <= seq) {
      shown = content.seq;
      const focused = pictures.contains(document.activeElement) && document.activeElement.tagName === "CANVAS";
      if (shown === seq) { clearTimeout(slow); root.classList.remove("sr-busy"); }
      answer(content, buffers);
      if (focused) pictures.querySelector(".pointed canvas")?.focus({ preventScroll: true });
      root.dataset.shown = shown;
    }
  }
  model.on("msg:custom", hear);
  ask();
  root.srlib = { values, ask, get seq() { return seq; }, get shown() { return shown; } };
  return () => model.off("msg:custom", hear);
}

export default { render };
