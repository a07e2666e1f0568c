// Tables whose columns can be sorted, with buttons in their heads.
//
// sortable(container, caption, by) -> table; table.fill(columns, rows)
//   columns: { key, title, numeric, hint }
//   rows: { key, variant, cells: [{ sort, value, content }] }; sort is a number, a text or null (always last)

function sortable(container, caption, by) {
  const head = element("tr", {});
  const body = element("tbody", {});
  const said = element("caption", { class: "unseen" }, caption);
  container.replaceChildren(element("table", {}, said, element("thead", {}, head), body));
  const table = { head, body, columns: [], rows: [], by, rising: true };
  table.fill = (columns, rows) => {
    Object.assign(table, { columns, rows });
    if (!columns.some((column) => column.key === table.by)) Object.assign(table, { by: columns[0].key, rising: true });
    drawTable(table);
  };
  return table;
}

function drawTable(table) {
  const { columns, by, rising } = table;
  const sorting = rising ? "ascending" : "descending";
  replace(table.head, columns.map((column) => {
    const arrow = column.key === by ? (rising ? "▲" : "▼") : "↕";
    const button = element("button", { type: "button", class: "sort", "data-key": column.key, title: column.hint },
      breakable(column.title), element("span", { class: "arrow", "aria-hidden": "true" }, arrow));
    button.addEventListener("click", () => sortBy(table, column));
    const classes = column.numeric ? "numeric" : null;
    return element("th", { scope: "col", class: classes, "aria-sort": column.key === by ? sorting : "none" }, button);
  }));
  const place = columns.findIndex((column) => column.key === by);
  const rows = [...table.rows].sort((left, right) => compare(left.cells[place].sort, right.cells[place].sort, rising));
  replace(table.body, rows.map((row) => drawRow(columns, row)));
}

function drawRow(columns, row) {
  const cells = row.cells.map((cell, at) => element(at === 0 ? "th" : "td", {
    scope: at === 0 ? "row" : null,
    class: columns[at].numeric ? "numeric" : null,
    "data-value": cell.value,
  }, cell.content));
  const drawn = element("tr", { class: row.best ? "best" : null, "data-row": row.key }, cells);
  return row.variant === undefined ? drawn : lights(drawn, row.variant);
}

function sortBy(table, column) {
  if (table.by === column.key) table.rising = !table.rising;
  else Object.assign(table, { by: column.key, rising: true });
  drawTable(table);
}

// A name may break where it has an underscore or a slash.
function breakable(text) {
  return text.split(/(?<=[_/])/).flatMap((part, at) => (at ? [element("wbr", {}), part] : [part]));
}

// What is missing comes last, whichever way is sorted.
function compare(left, right, rising) {
  if (left === null || right === null) return (left === null) - (right === null);
  const order = typeof left === "number" && typeof right === "number"
    ? left - right
    : String(left).localeCompare(String(right), "en", { numeric: true });
  return rising ? order : -order;
}
