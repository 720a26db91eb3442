// Records from columns, as reports/pages/columns.h describes them.

function listFromColumns(value) {
  if (Array.isArray(value)) return value.map(fromColumns);
  if ('@rows' in value) {
    const list = Array.from({length: value['@rows']}, () => ({}));
    for (const [key, column] of Object.entries(value.columns)) {
      fromColumns(column).forEach((item, i) => { list[i][key] = item; });
    }
    return list;
  }
  const values = fromColumns(value.values);
  let next = 0;
  if ('@known' in value) return [...value['@known']].map((known) => (known === '1' ? values[next++] : null));
  return value['@lengths'].map((length) => values.slice(next, next += length));
}

function fromColumns(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value) || '@rows' in value || '@known' in value || '@lengths' in value) return listFromColumns(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromColumns(item)]));
}
