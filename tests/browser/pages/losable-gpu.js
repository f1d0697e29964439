// WebGPU devices that the page can take away, as a driver's reset does.
const devices = [];
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (...values) {
  const device = await requestDevice.apply(this, values);
  devices.push(device);
  return device;
};
new BroadcastChannel("lose-devices").addEventListener("message", () => {
  for (const device of devices) device.destroy();
});
