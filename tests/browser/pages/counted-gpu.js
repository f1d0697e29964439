// Counts what a page asks of WebGPU, from the import of this module on. The engine must run in the
// page, not in a worker.
const counts = {
  dispatches: 0,
  passes: 0,
  submissions: 0,
  writes: 0,
  readbacks: 0,
  bytesReadBack: 0,
  buffers: 0,
  shaders: 0,
  pipelines: 0,
};

function count(prototype, method, note) {
  const inner = prototype[method];
  prototype[method] = function (...values) {
    note.call(this, ...values);
    return inner.apply(this, values);
  };
}

const adding = (name) => () => {
  counts[name] += 1;
};
count(GPUComputePassEncoder.prototype, "dispatchWorkgroups", adding("dispatches"));
count(GPUCommandEncoder.prototype, "beginComputePass", adding("passes"));
count(GPUQueue.prototype, "submit", adding("submissions"));
count(GPUQueue.prototype, "writeBuffer", adding("writes"));
count(GPUDevice.prototype, "createBuffer", adding("buffers"));
count(GPUDevice.prototype, "createShaderModule", adding("shaders"));
count(GPUDevice.prototype, "createComputePipeline", adding("pipelines"));
count(GPUDevice.prototype, "createComputePipelineAsync", adding("pipelines"));
count(GPUBuffer.prototype, "mapAsync", adding("readbacks"));
// What is copied on the device to be read; the buffer that is mapped is a pool's and larger.
count(GPUCommandEncoder.prototype, "copyBufferToBuffer", (...values) => {
  counts.bytesReadBack += values.at(-1);
});

export const counted = () => ({ ...counts });
