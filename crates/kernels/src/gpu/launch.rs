//! A launch: a shader, its buffers and the number of workgroups; and what is kept between launches.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Device;
use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::CubeCount;
use burn_cubecl::cubecl::MemoryScope;
use burn_cubecl::cubecl::bytes::Bytes;
use burn_cubecl::cubecl::prelude::BufferIOAttr;
use burn_cubecl::cubecl::server::KernelArguments;

use super::self_test::Checked;
use super::shader::Shader;
use super::tensor::upload;
use crate::KernelError;

/// Whether tensors share buffers, as CubeCL decides it: not on wasm.
pub(super) const SHARED_BUFFERS: bool = !cfg!(target_family = "wasm");

/// Kept parameter buffers. More are made when prompts of many lengths pass, so there is an end.
const MAX_PARAMETERS: usize = 4096;

/// What this module did since the process or module began, over all threads. Operations of Burn
/// itself are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Kernels launched.
    pub dispatches: u64,
    /// Forms of shaders that were launched for the first time on their thread, and so compiled.
    pub compilations: u64,
    /// Buffers made for parameters and steps.
    pub buffers: u64,
    /// Positions and ids written to the device, once a forward pass.
    pub step_writes: u64,
    /// Tensors read back to the host.
    pub readbacks: u64,
}

static DISPATCHES: AtomicU64 = AtomicU64::new(0);
static COMPILATIONS: AtomicU64 = AtomicU64::new(0);
static BUFFERS: AtomicU64 = AtomicU64::new(0);
static STEP_WRITES: AtomicU64 = AtomicU64::new(0);
static READBACKS: AtomicU64 = AtomicU64::new(0);

/// Counts a tensor that is read back.
pub(super) fn count_readback() {
    READBACKS.fetch_add(1, Ordering::Relaxed);
}

/// The counters as they stand.
pub fn counters() -> Counters {
    Counters {
        dispatches: DISPATCHES.load(Ordering::Relaxed),
        compilations: COMPILATIONS.load(Ordering::Relaxed),
        buffers: BUFFERS.load(Ordering::Relaxed),
        step_writes: STEP_WRITES.load(Ordering::Relaxed),
        readbacks: READBACKS.load(Ordering::Relaxed),
    }
}

/// Memory of the device, in bytes, as CubeCL accounts for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What tensors hold.
    pub in_use: u64,
    /// What the device was asked for.
    pub reserved: u64,
}

/// The memory of all tensors on the device, not only of this module's.
///
/// # Errors
/// `invalid-argument` when `device` is not the wgpu device.
pub fn memory(device: &Device) -> Result<Memory, KernelError> {
    let client = super::tensor::empty([1], device)?.client;
    let usage = client.memory_report(MemoryScope::Device).usage();
    Ok(Memory {
        in_use: usage.bytes_in_use,
        reserved: usage.bytes_reserved,
    })
}

/// A buffer and what the shader does with it.
pub(super) enum Bound<'a> {
    Read(&'a CubeTensor),
    Write(&'a CubeTensor),
    Both(&'a CubeTensor),
}

/// Starts `shader` on `groups` workgroups. `bound` is in the order of its bindings.
pub(super) fn launch(shader: Shader, bound: &[Bound<'_>], groups: [usize; 3]) {
    let mut arguments = KernelArguments::new();
    let mut client = None;
    for bound in bound {
        let (tensor, io) = match bound {
            Bound::Read(tensor) => (tensor, BufferIOAttr::ReadOnly),
            Bound::Write(tensor) => (tensor, BufferIOAttr::WriteOnly),
            Bound::Both(tensor) => (tensor, BufferIOAttr::ReadWrite),
        };
        arguments = arguments.with_buffer_io(tensor.handle.clone().binding(), io);
        client.get_or_insert(&tensor.client);
    }
    let Some(client) = client else { return };
    let new = KEPT.with_borrow_mut(|kept| {
        !kept.shaders.contains(&shader) && kept.shaders.insert(shader.clone())
    });
    if new {
        COMPILATIONS.fetch_add(1, Ordering::Relaxed);
    }
    DISPATCHES.fetch_add(1, Ordering::Relaxed);
    let [x, y, z] = groups.map(|groups| u32::try_from(groups).unwrap_or(u32::MAX));
    let count = CubeCount::Static(x, y, z);
    client.launch(Box::new(shader.kernel()), count, arguments);
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::new(Kept::default());
}

#[derive(Default)]
struct Kept {
    shaders: HashSet<Shader>,
    parameters: HashMap<(CubeDevice, Vec<u32>), CubeTensor>,
    steps: HashMap<(CubeDevice, usize), Step>,
    /// What passed its self-test.
    checked: HashSet<(CubeDevice, Checked)>,
}

/// Words of the shortest buffer of a step.
const LEAST_ROOM: usize = 16;

/// The words that a forward pass brings: its first position, then its ids.
struct Step {
    buffer: CubeTensor,
    words: Vec<u32>,
}

/// Whether these kernels passed their self-test on this device.
pub(super) fn was_checked(what: Checked, device: &Device) -> Result<bool, KernelError> {
    let key = (super::tensor::empty([1], device)?.device, what);
    Ok(KEPT.with_borrow(|kept| kept.checked.contains(&key)))
}

pub(super) fn mark_checked(what: Checked, device: &Device) -> Result<(), KernelError> {
    let key = (super::tensor::empty([1], device)?.device, what);
    KEPT.with_borrow_mut(|kept| kept.checked.insert(key));
    Ok(())
}

/// A buffer of `words`, made once for each content.
pub(super) fn parameters(words: &[u32], like: &CubeTensor) -> CubeTensor {
    let key = (like.device.clone(), words.to_vec());
    let kept = KEPT.with_borrow(|kept| kept.parameters.get(&key).cloned());
    if let Some(kept) = kept {
        return kept;
    }
    let buffer = new_buffer(words, like);
    KEPT.with_borrow_mut(|kept| {
        if kept.parameters.len() >= MAX_PARAMETERS {
            kept.parameters.clear();
        }
        kept.parameters.insert(key, buffer.clone());
    });
    buffer
}

/// Tells the device of a forward pass of `ids` at positions from `start` on, so that its layers
/// find both there. One write; without it the first layer writes, in the middle of the pass.
///
/// # Errors
/// `invalid-argument` when `device` is not the wgpu device.
pub fn begin(start: usize, ids: &[u32], device: &Device) -> Result<(), KernelError> {
    let like = super::tensor::empty([1], device)?;
    let mut words = vec![start as u32];
    words.extend_from_slice(ids);
    write_step(words, &like);
    Ok(())
}

/// A buffer whose first word is `start`.
pub(super) fn step_at(start: usize, like: &CubeTensor) -> CubeTensor {
    let start = start as u32;
    let kept = find_step(like, |words| words.first() == Some(&start));
    kept.unwrap_or_else(|| write_step(vec![start], like))
}

/// The buffer of the decode step at `start`, where [`begin`] or [`moved_step`] left it there.
pub(super) fn decode_step(start: usize, like: &CubeTensor) -> Option<CubeTensor> {
    with_decode_step(start, like, |step| step.buffer.clone())
}

/// As [`decode_step`], for a launch that moves the step on by one position and gives it an id that
/// the host does not know.
pub(super) fn moved_step(start: usize, like: &CubeTensor) -> Option<CubeTensor> {
    with_decode_step(start, like, |step| {
        step.words = vec![start as u32 + 1];
        step.buffer.clone()
    })
}

/// A single token's step is always in the shortest buffer: others may hold the same position.
fn with_decode_step<R>(
    start: usize,
    like: &CubeTensor,
    then: impl FnOnce(&mut Step) -> R,
) -> Option<R> {
    KEPT.with_borrow_mut(|kept| {
        let step = kept.steps.get_mut(&(like.device.clone(), LEAST_ROOM))?;
        (step.words.first() == Some(&(start as u32))).then(|| then(step))
    })
}

/// A buffer whose words from the second on are `ids`.
pub(super) fn step_with(ids: &[u32], like: &CubeTensor) -> CubeTensor {
    let kept = find_step(like, |words| words.get(1..) == Some(ids));
    let words = || std::iter::once(0).chain(ids.iter().copied()).collect();
    kept.unwrap_or_else(|| write_step(words(), like))
}

fn find_step(like: &CubeTensor, fits: impl Fn(&[u32]) -> bool) -> Option<CubeTensor> {
    KEPT.with_borrow(|kept| {
        let here = kept
            .steps
            .iter()
            .filter(|((device, _), _)| *device == like.device);
        let mut fitting = here.filter(|(_, step)| fits(&step.words));
        fitting.next().map(|(_, step)| step.buffer.clone())
    })
}

/// Writes a step over the last one of about its length. The device's queue keeps the order, so
/// launches before it still see what was there.
fn write_step(words: Vec<u32>, like: &CubeTensor) -> CubeTensor {
    STEP_WRITES.fetch_add(1, Ordering::Relaxed);
    let room = words.len().next_power_of_two().max(LEAST_ROOM);
    let key = (like.device.clone(), room);
    let kept = KEPT.with_borrow_mut(|kept| {
        let step = kept.steps.get_mut(&key)?;
        step.words.clone_from(&words);
        Some(step.buffer.clone())
    });
    if let Some(buffer) = kept {
        let mut padded = words;
        padded.resize(room, 0);
        let bytes = Bytes::from_bytes_vec(le_bytes(&padded));
        buffer.client.write(&buffer.handle, bytes);
        return buffer;
    }
    let mut padded = words.clone();
    padded.resize(room, 0);
    let buffer = new_buffer(&padded, like);
    let step = Step {
        buffer: buffer.clone(),
        words,
    };
    KEPT.with_borrow_mut(|kept| kept.steps.insert(key, step));
    buffer
}

fn new_buffer(words: &[u32], like: &CubeTensor) -> CubeTensor {
    BUFFERS.fetch_add(1, Ordering::Relaxed);
    upload(le_bytes(words), like)
}

pub(super) fn le_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
