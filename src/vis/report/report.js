'use strict';
// Conveniences alone: the page is whole without them.

const short = value => String(Number(value.toPrecision(4)));

// The values of a chart's curves where the pointer is; arrow keys move, too.
for (const svg of document.querySelectorAll('.chart > svg')) {
  const numbers = name => svg.dataset[name].split(' ').map(Number);
  const [left, top, width, height] = numbers('frame'), [x0, x1] = numbers('x'), [y0, y1] = numbers('y');
  const logarithmic = 'log' in svg.dataset;
  const xOf = at => {
    const share = (at - left) / width;
    return logarithmic ? x0 * (x1 / x0) ** share : x0 + share * (x1 - x0);
  };
  const yOf = at => y0 + (1 - (at - top) / height) * (y1 - y0);
  const curves = [...svg.querySelectorAll('.curve')].map(group => ({
    group,
    points: [...group.querySelectorAll('polyline, circle')].flatMap(shape =>
      shape.points ? [...shape.points].map(p => [p.x, p.y]) : [[shape.cx.baseVal.value, shape.cy.baseVal.value]]),
  })).filter(curve => curve.points.length);
  if (!curves.length) continue;
  const places = [...new Set(curves.flatMap(curve => curve.points.map(p => p[0])))].sort((a, b) => a - b);
  const cursor = document.createElementNS(svg.namespaceURI, 'line');
  cursor.setAttribute('class', 'cursor');
  cursor.setAttribute('y1', top);
  cursor.setAttribute('y2', top + height);
  const values = document.createElement('div');
  values.className = 'values';
  values.setAttribute('role', 'status');
  let shown = -1;

  const hide = () => { cursor.remove(); values.remove(); shown = -1; };
  const show = index => {
    shown = index;
    const at = places[index];
    cursor.setAttribute('x1', at);
    cursor.setAttribute('x2', at);
    svg.append(cursor);
    values.replaceChildren(Number(xOf(at).toPrecision(5)).toString());
    for (const { group, points } of curves) {
      if (getComputedStyle(group).visibility === 'hidden') continue;
      const nearest = points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a);
      if (Math.abs(nearest[0] - at) > 2) continue;
      const line = document.createElement('div'), dot = document.createElement('i');
      dot.className = [...group.classList].find(name => /^c\d$/.test(name));
      line.append(dot, `${group.dataset.name} ${short(yOf(nearest[1]))}`.trim());
      values.append(line);
    }
    svg.parentElement.append(values);
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const room = svg.parentElement.clientWidth - values.offsetWidth;
    const beside = at * scale + 12;
    values.style.left = `${beside < room ? beside : Math.max(0, at * scale - values.offsetWidth - 12)}px`;
    values.style.top = `${svg.getBoundingClientRect().top - svg.parentElement.getBoundingClientRect().top + 8}px`;
  };
  const nearest = at => places.reduce((best, place, i) =>
    Math.abs(place - at) < Math.abs(places[best] - at) ? i : best, 0);
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect();
    show(nearest((event.clientX - box.left) * svg.viewBox.baseVal.width / box.width));
  });
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  svg.setAttribute('tabindex', '0');
  svg.addEventListener('keydown', event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(Math.min(Math.max(shown + step, 0), places.length - 1));
  });
}

// Tables by any column, numbers from the highest.
for (const table of document.querySelectorAll('table.sortable')) {
  table.querySelectorAll('thead th').forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const falling = head.getAttribute('aria-sort') !== 'descending';
      for (const other of table.querySelectorAll('thead th')) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
      const text = row => row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const x = Number(text(a)), y = Number(text(b));
        if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
        const order = Number.isNaN(x) ? text(b).localeCompare(text(a)) : y - x;
        return falling ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// A picture as wide as the page.
for (const shot of document.querySelectorAll('.shot')) {
  const picture = shot.querySelector('.picture');
  picture.classList.add('zoomable');
  picture.addEventListener('click', () => shot.classList.toggle('large'));
}
