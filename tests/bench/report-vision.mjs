import { bars, spread, table } from "./markdown.mjs";
import { summary } from "./statistics.mjs";

/** A picture beside onnxruntime-web, dense and merged. */
export function visionSection({ model, setups, runs }) {
  const { version } = setups[0].peer.setup;
  const sections = runs.flatMap(({ size, where, reduce, difference, cosine, macs, contestants }) => {
    const figures = contestants.map(({ name, measured }) => ({ name, ...summary(measured) }));
    const [dense, merged, peer] = figures;
    const times = (slow, fast) => (slow.median / fast.median).toFixed(2);
    return [
      `### ${size} x ${size}, ${where}`,
      "",
      table(
        ["", "a picture, ms"],
        figures.map((figure) => [figure.name, spread(figure, 0)]),
      ),
      "",
      bars(
        figures.map(({ name, median }) => ({ name, value: median })),
        0,
      ),
      "",
      ...(peer
        ? [
            `Dense: ${times(peer, dense)} times the speed of onnxruntime-web; the saliency maps differ by at most ` +
              `${difference.toExponential(1)}.`,
          ]
        : []),
      `${reduce}: ${times(dense, merged)} times the speed of our dense run${peer ? `, ${times(peer, merged)} times onnxruntime-web's` : ""}, with ` +
        `${(100 * macs).toFixed(1)} % of the blocks' multiply-accumulates and a CLS cosine of ${cosine.toFixed(4)}.`,
      "",
    ];
  });
  return [
    "## Pictures",
    "",
    `${model}; the photograph \`coffee\`, from normalised values to embedding and heat map, the way to a worker`,
    `included on our side. The peer is onnxruntime-web ${version} on the same ONNX file (its input's declared size`,
    "changed for 518).",
    "",
    ...sections,
  ]
    .join("\n")
    .trimEnd();
}
