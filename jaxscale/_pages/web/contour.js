"use strict";
// Where values on a grid equal a level: short straight pieces [[x, y], [x, y]] in whatever x and y are (marching squares).
const Contour = (() => {
  const SIDES = { 1: [[3, 0]], 2: [[0, 1]], 3: [[3, 1]], 4: [[1, 2]], 5: [[3, 2], [0, 1]], 6: [[0, 2]], 7: [[3, 2]] };
  function pieces(x, y, z, level) {
    const found = [], above = v => (v > level ? 1 : 0);
    const between = (p, a, q, b) => { const t = (level - a) / (b - a); return [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]; };
    for (let j = 0; j + 1 < y.length; j++) for (let i = 0; i + 1 < x.length; i++) {
      const corners = [[x[i], y[j]], [x[i + 1], y[j]], [x[i + 1], y[j + 1]], [x[i], y[j + 1]]];
      const v = [z[j][i], z[j][i + 1], z[j + 1][i + 1], z[j + 1][i]];
      if (v.includes(null)) continue;
      const code = above(v[0]) + 2 * above(v[1]) + 4 * above(v[2]) + 8 * above(v[3]);
      for (const ends of SIDES[code > 7 ? 15 - code : code] ?? [])
        found.push(ends.map(s => between(corners[s], v[s], corners[(s + 1) % 4], v[(s + 1) % 4])));
    }
    return found;
  }
  return { pieces };
})();
if (typeof module !== "undefined") module.exports = Contour;
