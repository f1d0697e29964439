// The package's worker, which a page can have end in ways that it could end by itself.
import "/pkg/dist/worker.js";

new BroadcastChannel("mortal-worker").addEventListener("message", ({ data }) => {
  if (data === "close") self.close();
  if (data === "throw") {
    setTimeout(() => {
      throw new Error("meant to happen");
    });
  }
});
