// The package's worker, on devices that can be lost. Imports run in their order.
import "./losable-gpu.js";
import "/pkg/dist/worker.js";
