// The table of rules. Whatever comes from outside goes into the page as text, never as markup.
//
// Keys: arrows go from row to row, Space marks, Shift with arrows or a click marks on the way, Ctrl+A marks all, Escape none,
// Enter opens the rule.

const { element, setText } = await import(new URL("/assets/elements.mjs", location.origin).href);

// Marks that follow each other this closely are told once.
const TELL_AFTER_MS = 150;
const SIDES = { up: "▲ ", down: "▼ " };
const SIDE_NAMES = { up: "rising ", down: "falling " };

const tables = new WeakMap();

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  let table = tables.get(parentElement);
  if (!table) {
    table = new Table(parentElement, data.marked);
    tables.set(parentElement, table);
  }
  table.tell = (marked) => setStateValue("marked", marked);
  table.open = (id) => setTriggerValue("opened", id);
  table.show(data.rows);
}

class Table {
  constructor(root, marked) {
    this.rows = new Map();
    this.marked = new Set(marked);
    this.last = "";
    this.all = box("Mark all on this page");
    this.all.addEventListener("change", () => this.markAll(this.all.checked));
    const heads = ["Instrument", "Condition", "State", "To firing", "Last alert (IST)"].map((name) => {
      const head = element("th", name.split(" ")[0].toLowerCase(), name);
      head.scope = "col";
      return head;
    });
    const head = element("thead", "", element("tr", "", element("th", "mark", this.all), ...heads));
    this.body = element("tbody");
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.view = element("table", "", head, this.body);
    this.view.setAttribute("aria-label", "Rules");
    root.append(element("div", "rules", this.view));
  }

  show(rows) {
    const ids = new Set(rows.map((each) => each.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.view.remove();
      this.rows.delete(id);
    }
    rows.forEach((each, place) => {
      if (!this.rows.has(each.id)) this.rows.set(each.id, this.made(each));
      const row = this.rows.get(each.id);
      row.show(each);
      // Only where it is elsewhere: a row that is moved loses the focus.
      if (this.body.children[place] !== row.view) this.body.insertBefore(row.view, this.body.children[place] ?? null);
    });
    const gone = [...this.marked].filter((id) => !ids.has(id));
    gone.forEach((id) => this.marked.delete(id));
    if (!ids.has(this.last)) this.last = rows[0]?.id ?? "";
    this.draw();
    if (gone.length) this.say();
  }

  made({ id }) {
    const row = new Row();
    row.view.addEventListener("click", (event) => {
      if (event.target !== row.box && !getSelection().isCollapsed) return;
      // A click on the box has changed it already.
      const marks = event.target === row.box ? row.box.checked : !row.box.checked;
      this.mark(id, marks, event.shiftKey);
      row.box.focus();
    });
    row.view.addEventListener("dblclick", () => this.open(id));
    row.view.dataset.id = id;
    return row;
  }

  mark(id, marks, isRange) {
    const ids = [...this.body.children].map((view) => view.dataset.id);
    const [from, to] = [ids.indexOf(isRange ? this.last : id), ids.indexOf(id)].sort((a, b) => a - b);
    ids.slice(from, to + 1).forEach((each) => (marks ? this.marked.add(each) : this.marked.delete(each)));
    this.last = id;
    this.draw();
    this.say();
  }

  markAll(marks) {
    this.marked = new Set(marks ? this.rows.keys() : []);
    this.draw();
    this.say();
  }

  say() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell([...this.marked]), TELL_AFTER_MS);
  }

  draw() {
    for (const [id, row] of this.rows) row.showMark(this.marked.has(id), id === this.last);
    this.all.checked = this.rows.size > 0 && this.marked.size === this.rows.size;
    this.all.indeterminate = !this.all.checked && this.marked.size > 0;
  }

  onKey(event) {
    const view = event.target.closest("tr");
    const id = view.dataset.id;
    const step = { ArrowDown: view.nextElementSibling, ArrowUp: view.previousElementSibling };
    if (event.key in step) {
      const next = step[event.key];
      if (next) this.goTo(id, next.dataset.id, event.shiftKey);
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.markAll(true);
    else if (event.key === "Escape") this.markAll(false);
    else if (event.key === "Enter") this.open(id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  goTo(from, id, marks) {
    if (marks) {
      this.marked.add(from).add(id);
      this.say();
    }
    this.last = id;
    this.draw();
    this.rows.get(id).box.focus();
  }
}

class Row {
  constructor() {
    this.box = box("");
    this.symbol = element("b");
    this.condition = element("span");
    this.fires = element("span", "soft fires");
    this.badge = element("span", "badge");
    this.notes = element("span", "soft notes");
    this.side = element("span", "side");
    this.away = element("span");
    this.last = element("td", "last soft");
    this.view = element(
      "tr",
      "",
      element("td", "mark", this.box),
      element("td", "instrument", this.symbol),
      element("td", "condition", this.condition, this.fires),
      element("td", "state", this.badge, this.notes),
      element("td", "to", this.side, this.away),
      this.last,
    );
  }

  show({ symbol, condition, fires, state, said, notes, side, away, last }) {
    setText(this.symbol, symbol);
    setText(this.condition, condition);
    setText(this.fires, fires);
    setText(this.badge, said);
    setText(this.notes, notes);
    setText(this.side, SIDES[side] ?? "");
    setText(this.away, away);
    setText(this.last, last || "–");
    this.badge.className = `badge ${state}`;
    this.side.className = `side ${side}`;
    this.side.setAttribute("aria-label", SIDE_NAMES[side] ?? "");
    this.box.setAttribute("aria-label", `${symbol}: ${condition}`);
  }

  showMark(isMarked, isNext) {
    this.box.checked = isMarked;
    // One stop for the Tab key; arrows go on from there.
    this.box.tabIndex = isNext ? 0 : -1;
    this.view.classList.toggle("marked", isMarked);
  }
}

function box(label) {
  const made = element("input");
  made.type = "checkbox";
  made.setAttribute("aria-label", label);
  return made;
}
