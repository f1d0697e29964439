/** Milliseconds of each of `repeats` runs of some asynchronous work, one after another. */
export async function timeEach(repeats, work) {
  const times = [];
  for (let run = 0; run < repeats; run += 1) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times;
}
