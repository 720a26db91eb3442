// One-line explanations: a button with data-term shows its entry of the list "What the words mean"; of the
// floor also how a video near it looks on this model.

const termNote = byId('term-note');

// The cached video of the model shown whose score is nearest to the floor, and can be played beside its uncached one.
function videoAtFloor() {
  const {metric, value: floor} = report.context.floor;
  let best = null;
  for (const row of rows) {
    if (row.policy === 'none' || row.model !== state.row?.model) continue;
    for (const video of row.videos) {
      const score = video.error ? undefined : video.scores[metric];
      const uncached = videoOf(uncachedByModel.get(row.model), keyOf(video));
      if (!known(score) || !video.path || !uncached?.path) continue;
      const distance = Math.abs(score - floor);
      if (!best || distance < best.distance) best = {row, video, uncached, score, distance};
    }
  }
  return best;
}

// A still from the middle.
function still(path, caption) {
  const video = element('video', {muted: true, playsInline: true, preload: 'auto', src: addressOf(path), ariaLabel: caption});
  video.addEventListener('loadedmetadata', () => { video.currentTime = video.duration / 2; }, {once: true});
  return element('figure', {}, video, element('figcaption', {textContent: caption}));
}

function floorPicture() {
  const found = videoAtFloor();
  if (!found) return '';
  const {row, video, uncached, score} = found;
  const show = element('button', {type: 'button', textContent: 'Play it'});
  show.addEventListener('click', () => choose(row, keyOf(video)));
  return element('div', {className: 'stills'}, still(uncached.path, 'uncached'),
    still(video.path, `${fixed(score, 1)}${metrics.find(({name}) => name === report.context.floor.metric).unit}: ${labelOf(row)}, prompt ${video.prompt + 1}`), show);
}

const entryOf = (term) => document.querySelector(`.glossary dt[data-term="${CSS.escape(term || '')}"]`);

function termButton(name, term) {
  const button = element('button', {type: 'button', className: 'term', textContent: name, ariaExpanded: 'false'});
  button.dataset.term = term;
  return button;
}

// Below the part of the page that the word is in.
function showTerm(button) {
  const {term} = button.dataset;
  const open = button.getAttribute('aria-expanded') === 'true';
  for (const other of document.querySelectorAll('.term')) other.setAttribute('aria-expanded', 'false');
  const entry = entryOf(term);
  termNote.hidden = open || !entry;
  if (termNote.hidden) return;
  button.setAttribute('aria-expanded', 'true');
  (button.closest('table, dl') || button).after(termNote);
  termNote.replaceChildren(element('b', {textContent: entry.textContent}), ': ', entry.nextElementSibling.textContent, ' ',
    term === 'floor' ? floorPicture() : '');
}

for (const button of document.querySelectorAll('.term')) button.setAttribute('aria-expanded', 'false');
document.addEventListener('click', (event) => {
  const button = event.target.closest('.term');
  if (button) showTerm(button);
});
