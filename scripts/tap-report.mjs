// Reads tap's output line by line; prints a line for each file, every failed assertion with its details,
// and counts the tests: what stands directly in a file, its subtests and assertions outside of them.

const LINE =
  /^(?<indent>(?: {4})*)(?<not>not )?ok \d+(?: - (?<name>.*?))?(?: # (?<directive>.*))?$/;

export class TapReport {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** The names of the file and the tests that are open, outermost first. */
  #path = [];
  #failedInFile = 0;
  /** The indent of the details that follow a failed assertion. */
  #details = null;

  add(line) {
    if (this.#details !== null && this.#printDetails(line)) return;
    const subtest = /^((?: {4})*)# Subtest: (.*)$/.exec(line);
    if (subtest) {
      this.#path = [...this.#path.slice(0, subtest[1].length / 4), subtest[2]];
      return;
    }
    const result = LINE.exec(line)?.groups;
    if (result) this.#result(result);
  }

  #result({ indent, not, name = '', directive = '' }) {
    const depth = indent.length / 4;
    const skipped = /^(skip|todo)/i.test(directive);
    const failed = Boolean(not) && !skipped;
    const closesSubtest = this.#path[depth] === name;
    this.#path = this.#path.slice(0, depth);
    if (failed && (!closesSubtest || (depth === 0 && this.#failedInFile === 0))) {
      console.log(`\nnot ok - ${[...this.#path, name].join(' > ')}`);
      this.#details = `${indent}  `;
    }
    if (depth === 1) this.#count(failed, skipped);
    if (depth === 0) this.#closeFile(failed, name);
  }

  #count(failed, skipped) {
    this[skipped ? 'skipped' : failed ? 'failed' : 'passed'] += 1;
    if (failed) this.#failedInFile += 1;
  }

  /** A file that dies outside its tests fails without a failed test. */
  #closeFile(failed, name) {
    if (failed && this.#failedInFile === 0) this.failed += 1;
    else console.log(`${failed ? 'not ok' : 'ok'} - ${name}`);
    this.#failedInFile = 0;
  }

  #printDetails(line) {
    if (!line.startsWith(this.#details)) {
      this.#details = null;
      return false;
    }
    const text = line.slice(this.#details.length);
    if (text === '...') this.#details = null;
    else if (text !== '---') console.log(`  ${text}`);
    return true;
  }
}
