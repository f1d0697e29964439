export default {
  worker: { format: "es" },
  optimizeDeps: { exclude: ["lexigraft"] },
};
