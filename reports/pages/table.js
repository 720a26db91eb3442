// Tables of many lines: only those in sight are in the document, between two spacers. A table stays one
// stop of the Tab key, in which the arrow keys move the selection.

const lineHeight = 40;
const extraLines = 14;  // above and below what is seen
const leastExtra = 3;   // with fewer, the lines are made again: most frames of a scroll change nothing
const collator = new Intl.Collator(undefined, {numeric: true});

// columns: {title, text(item), value(item): number, text or null, small(item), csv: [[name, of(item)]],
//   screenOnly: left out on paper}
class BigTable {
  constructor(table, {columns, items, textOf, isSelected, choose: chosen, name}) {
    Object.assign(this, {table, columns, items, textOf, isSelected, chosen, name});
    this.scroller = table.parentElement;
    this.shown = items;
    this.sorted = null;  // {column, ascending}
    this.words = [];
    this.all = false;  // every line in the document, for printing
    this.makeFrame();
    // Browsers report both once per frame.
    this.scroller.addEventListener('scroll', () => this.render(false), {passive: true});
    new ResizeObserver(() => this.render(false)).observe(this.scroller);
    this.body.addEventListener('click', (event) => this.chooseLine(event.target.closest('tr[aria-rowindex]')));
    table.addEventListener('keydown', (event) => this.key(event));
  }

  // Widths follow the longest content, so that lines scrolled in do not move the columns.
  makeFrame() {
    const step = Math.max(1, Math.floor(this.items.length / 500));
    const sample = this.items.filter((_, i) => i % step === 0);
    const width = (column) => {
      const texts = sample.map((item) => Math.max(column.text(item).length, 0.87 * (column.small?.(item) || '').length));
      const longest = Math.max(...column.title.split(' ').map((word) => word.length + 2), ...texts);
      return Math.round(Math.min(longest, 48) * 7.4 + 18);
    };
    const widths = this.columns.map(width);
    this.table.style.minWidth = `${widths.reduce((sum, one) => sum + one, 0)}px`;
    this.head = element('thead', {}, element('tr', {}, ...this.columns.map((column, index) => {
      const button = element('button', {type: 'button', textContent: column.title});
      const head = element('th', {scope: 'col'}, button);
      head.style.width = `${widths[index]}px`;
      head.classList.toggle('text', !column.numeric);
      head.classList.toggle('screen-only', Boolean(column.screenOnly));
      button.addEventListener('click', () => this.sort(index));
      return head;
    })));
    this.body = element('tbody', {});
    this.table.replaceChildren(this.head, this.body);
  }

  refresh() {
    const found = this.words.length ? this.items.filter((item) => {
      const text = this.textOf(item).toLowerCase();
      return this.words.every((word) => text.includes(word));
    }) : [...this.items];
    if (this.sorted) {
      const {column, ascending} = this.sorted;
      const {value} = this.columns[column];
      const order = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b :
        collator.compare(String(a), String(b)));
      const keys = new Map(found.map((item) => [item, value(item)]));
      found.sort((a, b) => {
        const [p, q] = [keys.get(a), keys.get(b)];
        if (!known(p) || !known(q)) return known(q) - known(p);  // unknown last
        return ascending ? order(p, q) : order(q, p);
      });
    }
    this.shown = found;
    this.table.setAttribute('aria-rowcount', String(found.length + 1));
    this.render(true);
  }

  sort(column) {
    const ascending = !(this.sorted?.column === column && this.sorted.ascending);
    this.sorted = {column, ascending};
    [...this.head.rows[0].cells].forEach((head, index) => {
      if (index === column) head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    });
    this.scroller.scrollTop = 0;
    this.refresh();
  }

  filter(text) {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.scroller.scrollTop = 0;
    this.refresh();
  }

  line(item, index) {
    const line = element('tr', {id: `${this.name}-${index}`});
    line.setAttribute('aria-rowindex', String(index + 2));
    const selected = this.isSelected(item);
    line.classList.toggle('selected', selected);
    line.setAttribute('aria-selected', String(selected));
    for (const column of this.columns) {
      const cell = element(column.header ? 'th' : 'td', {textContent: column.text(item)});
      if (column.header) cell.scope = 'row';
      cell.classList.toggle('text', !column.numeric);
      cell.classList.toggle('screen-only', Boolean(column.screenOnly));
      const small = column.small?.(item);
      if (small) cell.append(' ', element('small', {textContent: small}));  // the space is for copied text
      if (column.warns?.(item)) cell.classList.add('warns');
      if (cell.textContent.length > 48) cell.title = column.text(item);
      line.append(cell);
    }
    return line;
  }

  render(anew) {
    if (this.scroller.hidden && !this.all) return;
    const top = Math.floor(this.scroller.scrollTop / lineHeight);
    const bottom = top + Math.ceil((this.scroller.clientHeight || 600) / lineHeight);
    const last = this.shown.length;
    const enough = this.first <= Math.max(0, top - leastExtra) && this.end >= Math.min(last, bottom + leastExtra);
    if (!anew && !this.all && enough) return;
    const first = this.all ? 0 : Math.max(0, top - extraLines);
    const end = Math.min(last, this.all || bottom + extraLines);
    // What stays in sight stays in the document.
    const kept = new Map();
    if (!anew && this.lines) this.lines.forEach((line, i) => kept.set(this.first + i, line));
    this.lines = [];
    for (let i = first; i < end; ++i) this.lines.push(kept.get(i) || this.line(this.shown[i], i));
    [this.first, this.end] = [first, end];
    const space = (lines) => {
      const spacer = element('tr', {className: 'space'});
      spacer.setAttribute('aria-hidden', 'true');
      spacer.style.height = `${(this.all ? 0 : lines) * lineHeight}px`;
      return spacer;
    };
    this.body.replaceChildren(space(first), ...this.lines, space(this.shown.length - end));
    this.pointAtSelected();
  }

  // The selection changed.
  mark() {
    this.lines?.forEach((line, i) => {
      const selected = this.isSelected(this.shown[this.first + i]);
      line.classList.toggle('selected', selected);
      line.setAttribute('aria-selected', String(selected));
    });
    this.pointAtSelected();
  }

  pointAtSelected() {
    const line = this.lines?.find((one) => one.classList.contains('selected'));
    if (line) this.table.setAttribute('aria-activedescendant', line.id);
    else this.table.removeAttribute('aria-activedescendant');
  }

  chooseLine(line) {
    if (line) this.chosen(this.shown[Number(line.getAttribute('aria-rowindex')) - 2]);
  }

  key(event) {
    if (event.target !== this.table || !this.shown.length) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / lineHeight) - 2);
    const now = this.shown.findIndex((item) => this.isSelected(item));
    const last = this.shown.length - 1;
    const next = {ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: last}[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const index = Math.min(Math.max(next, 0), last);
    this.reveal(index);
    this.chosen(this.shown[index]);
  }

  reveal(index) {
    const top = index * lineHeight;
    const headHeight = this.head.offsetHeight;
    const {scrollTop, clientHeight} = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + lineHeight > scrollTop + clientHeight - headHeight) this.scroller.scrollTop = top + lineHeight - clientHeight + headHeight;
    this.render(false);
  }

  csv() {
    const fields = this.columns.flatMap((column) => column.csv || [[column.title, column.value]]);
    return csvText([fields.map(([name]) => name), ...this.shown.map((item) => fields.map(([, of]) => of(item)))]);
  }

  // Paper does not scroll.
  expand(most) {
    this.all = most;
    this.render(true);
  }

  collapse() {
    this.all = false;
    this.render(true);
  }
}
