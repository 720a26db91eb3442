// Pickers and the figures of the selected setting; the start.

const option = (value, text) => element('option', {value, textContent: text});

function fillSettingPicker() {
  const groups = new Map();
  for (const row of rows) {
    if (row.policy === 'none') continue;
    const name = severalModels ? `${row.model}: ${policyName(row)}` : policyName(row);
    if (!groups.has(name)) groups.set(name, element('optgroup', {label: name}));
    groups.get(name).append(option(row.id, labelOf(row)));
  }
  byId('setting').replaceChildren(...groups.values());
}

// Prompts of the selected setting; those that failed say so.
function fillVideoPicker() {
  const key = state.row.videos.map((video) => `${keyOf(video)}${video.error}`).join();
  if (byId('video').dataset.key !== key) {
    byId('video').dataset.key = key;
    byId('video').replaceChildren(...state.row.videos.map((video) =>
      option(keyOf(video), `${videoLabelOf(video)}${video.error ? ' (failed)' : ''}`)));
  }
  byId('video').value = state.video;
}

const range = (interval, digits) => (interval ? `95 %: ${fixed(interval.lo, digits)} – ${fixed(interval.hi, digits)}` : '');

const countText = (pooled) => (known(pooled.capped_mean) ? 'mean' : `${pooled.n + pooled.identical} video${pooled.n + pooled.identical === 1 ? '' : 's'}`);

function metricTile(metric, row, video) {
  const pooled = metric.pooled(row);
  if (!pooled) return null;
  const mean = known(pooled.mean) ? `${fixed(pooled.mean, metric.digits)}${metric.unit}` : pooled.identical > 0 ? 'identical' : '–';
  const own = known(metric.of(video)) ? `this video ${fixed(metric.of(video), metric.digits)}` :
    video.identical ? 'this video identical' : '';
  return [metric.label, metric.name, mean, [range(pooled.ci95, metric.digits), countText(pooled) + cappedWords(metric, pooled), own].filter(Boolean).join(', ')];
}

const verdictWord = (verdict) => (verdict > 0 ? 'better' : verdict < 0 ? 'worse' : 'no clear difference');

function comparisonTiles(row) {
  return report.comparisons.filter((comparison) => comparison.a === row.id && decidingDifference(comparison)).map((comparison) => {
    const baseline = rowById.get(comparison.b);
    const [{digits, unit, label}, {mean, ci95}] = decidingDifference(comparison);
    return [`against ${baseline ? policyName(baseline) : comparison.b}`, baseline?.policy, `${signed(mean, digits)}${unit || ` ${label}`}`,
      `${verdictWord(comparison.verdict)}, 95 %: ${signed(ci95.lo, digits)} to ${signed(ci95.hi, digits)}`];
  });
}

function showTiles() {
  const {row} = state;
  const video = videoOf(row, state.video) || {};
  const tiles = [
    ['speed-up, end to end', 'speed-up', speedupText(row.speedup_total), range(row.speedup_total.ci95, 2)],
    row.calls > 0 && ['computed calls', 'call', `${fixed(row.computed_mean, 1)} of ${row.calls}`,
      [skipWords(row).slice(2), video.computed ? `this video ${computedCalls(video)}` : ''].filter(Boolean).join(', ')],
    ...shownMetrics.map((metric) => metricTile(metric, row, video)),
    ...comparisonTiles(row),
  ].filter(Boolean);
  byId('tiles').replaceChildren(...tiles.map(([name, term, value, more]) => element('div', {},
    element('dt', {}, entryOf(term) ? termButton(name, term) : name), ' ', element('dd', {}, value, ' ', element('small', {textContent: more})))));
  byId('row-notes').replaceChildren(...(row.notes || []).map((note) => element('p', {className: 'warning', textContent: note})));
}

function showPickers() {
  byId('setting').value = state.row.id;
  fillVideoPicker();
  showTiles();
}

byId('setting').addEventListener('change', (event) => choose(rowById.get(event.target.value)));
byId('video').addEventListener('change', (event) => choose(state.row, event.target.value));

// What the address asks for and the report does not have.
function unknownInAddress() {
  const unknown = [];
  if (hash.has('setting') && !rowById.has(hash.get('setting'))) unknown.push(`setting “${hash.get('setting')}”`);
  else if (!hash.has('setting') && hash.has('threshold') && state.row?.threshold !== Number(hash.get('threshold'))) {
    unknown.push(`threshold ${hash.get('threshold')}`);
  }
  const prompt = hash.get('prompt');
  if (prompt !== null && !report.context.test_prompts[Number(prompt) - 1]) unknown.push(`prompt ${prompt}`);
  const seed = hash.get('seed');
  if (seed !== null && !report.context.seeds.some((one) => String(one) === seed)) unknown.push(`seed ${seed}`);
  return unknown;
}

function showLinkNote() {
  const unknown = unknownInAddress();
  byId('link-note').hidden = !unknown.length;
  byId('link-note').textContent = unknown.length ?
    `The address asks for ${unknown.join(' and ')}, which this report does not have; shown is ${labelOf(state.row)}.` : '';
}

const choiceLines = [...document.querySelectorAll('.choice tr[data-row]')];
for (const line of choiceLines) {
  line.addEventListener('click', (event) => { if (!event.target.closest('.term')) choose(rowById.get(line.dataset.row)); });
}
watchers.push(() => choiceLines.forEach((line) => line.classList.toggle('selected', line.dataset.row === state.row.id)));

watchers.unshift(showPickers);
fillSettingPicker();
const start = firstRow();
if (start) {
  select(start, firstVideo(start));
  showLinkNote();
}
if (!rows.some((row) => row.policy !== 'none')) byId('player').hidden = byId('selected').hidden = true;
showTable('settings');
// The address may be changed by hand or by a link.
addEventListener('hashchange', () => {
  readAddress();
  const row = firstRow();
  if (!row) return;
  select(row, firstVideo(row));
  showLinkNote();
});
begin();
