"use strict";
for (const table of document.querySelectorAll("table[data-sorts]")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => row.cells[at].dataset.v ?? row.cells[at].textContent.trim();
  const sort = (at) => {
    const was = heads[at].getAttribute("aria-sort");
    const turn = was === "ascending" ? -1 : 1;
    const rows = [...body.rows].map((row) => [value(row, at), row]);
    const numbers = heads[at].classList.contains("number") || heads[at].dataset.sort === "number";
    const compare = numbers
      ? (one, other) => (one === "" ? Infinity : Number(one)) - (other === "" ? Infinity : Number(other)) || 0
      : (one, other) => (one < other ? -1 : one > other ? 1 : 0);
    rows.sort(([one], [other]) => turn * compare(one, other));
    body.append(...rows.map(([, row]) => row));
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[at].setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
  };
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(at));
  });
  const count = body.rows.length;
  if (count < 8) continue;
  const filter = document.createElement("div");
  filter.className = "filter";
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "name, namespace, state, reason";
  label.append("Filter ", input);
  const shown = document.createElement("span");
  shown.setAttribute("role", "status");
  shown.textContent = `${count} rows`;
  filter.append(label, shown);
  table.closest(".scroll").before(filter);
  const texts = new Map([...body.rows].map((row) => [row, row.textContent.toLowerCase()]));
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    for (const [row, text] of texts) {
      row.hidden = !words.every((word) => text.includes(word));
      matching += row.hidden ? 0 : 1;
    }
    shown.textContent = words.length ? `${matching} of ${count} rows` : `${count} rows`;
  });
}
