export default { base: "/some/path/" };
