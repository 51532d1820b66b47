"use strict";
// Numbers as words, digit for digit as Python's format_number writes them, and ticks that stand at round numbers.
const Numbers = (() => {
  const LINEAR_BELOW = 6; // a log axis shorter than this factor reads better in even steps

  function withPoint(significant, exponent) {
    if (exponent < 0) return "0." + "0".repeat(-exponent - 1) + significant;
    const whole = significant.padEnd(exponent + 1, "0"), fraction = whole.slice(exponent + 1);
    return whole.slice(0, exponent + 1) + (fraction ? "." + fraction : "");
  }

  // 70B, 1.4T, 12.5K, 0.3473, 5.76e23; without suffixes, which are for counts, plain up to 1e6.
  function format(x, digits = 4, suffixes = true) {
    if (!Number.isFinite(x)) return "–";
    if (x === 0) return "0";
    const [mantissa, power] = Math.abs(x).toExponential(digits - 1).split("e"), exponent = Number(power);
    const significant = mantissa.replace(".", "").replace(/0+$/, ""), sign = x < 0 ? "-" : "";
    if (exponent >= -3 && exponent < (suffixes ? 4 : 6)) return sign + withPoint(significant, exponent);
    if (suffixes && exponent >= 4 && exponent < 15)
      return sign + withPoint(significant, exponent % 3) + "KMBT"[Math.floor(exponent / 3) - 1];
    return `${sign}${withPoint(significant, 0)}e${exponent}`;
  }
  const count = x => format(x, 3, Math.abs(x) >= 1e-3);
  const plain = (x, digits = 4) => format(x, digits, false);
  const minus = text => text.replace(/^-/, "−");

  function evenTicks(low, high, most, whole) {
    if (!(high > low)) return [low];
    const power = 10 ** Math.floor(Math.log10((high - low) / most));
    for (const multiple of [1, 2, 2.5, 5, 10, 20, 25, 50, 100]) {
      const step = multiple * power, first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
      if (last - first + 1 <= most && (!whole || step === Math.round(step)))
        return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
    }
    return [low];
  }
  // At most `most` round numbers: even steps, or on a log axis 1-2-5, 1-3 or powers of ten.
  function ticks(low, high, log, most, whole) {
    most = Math.max(most, 2);
    if (!log || high / low < LINEAR_BELOW) return evenTicks(low, high, most, whole && high - low > 2);
    let found = [];
    for (const steps of [[1, 2, 5], [1, 3], [1]]) {
      found = [];
      for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
        for (const s of steps) if (s * 10 ** e >= low * (1 - 1e-9) && s * 10 ** e <= high * (1 + 1e-9)) found.push(Number(`${s}e${e}`));
      if (found.length <= most) return found;
    }
    const stride = Math.ceil(found.length / most);
    return found.filter((_, i) => (found.length - 1 - i) % stride === 0);
  }
  // What stands at ticks. Numbers of even steps have as many decimals as tell them apart.
  function tickTexts(values, form) {
    if (form === "count") return values.map(count);
    const largest = Math.max(...values.map(Math.abs)), step = values.length > 1 ? values[1] - values[0] : 0;
    const even = values.every((v, i) => i < 1 || Math.abs(v - values[i - 1] - step) < 1e-6 * step);
    if (largest >= 1e5 || (largest && largest < 1e-3) || !step || !even) return values.map(v => minus(plain(v)));
    let decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    if (Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6) decimals++;
    return values.map(v => minus((Math.abs(v) < step / 1e6 ? 0 : v).toFixed(decimals)));
  }
  return { format, count, plain, ticks, tickTexts };
})();
if (typeof module !== "undefined") module.exports = Numbers;
