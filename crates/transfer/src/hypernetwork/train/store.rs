//! Checkpoints of a training run, and the file that comes of it.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use lexigraft_models::hypernetwork::{
    HypernetworkConfig, memory_keys, memory_pieces, memory_tensors,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::context::values;
use super::memory::Memory;
use super::network::{MAX_PIECES, Network};
use super::step::Optimiser;
use super::{TrainError, blend};

/// Writes the head, the moments of its gradients, the memory, and the seconds trained.
///
/// # Errors
/// `io`.
pub fn save(
    network: &Network,
    memory: Option<&Memory>,
    optimiser: Option<&Optimiser>,
    seconds: f64,
    path: &Path,
) -> Result<(), TrainError> {
    let mut tensors = vec![
        ("head".to_owned(), network.head().clone()),
        ("spread".to_owned(), network.spread.clone()),
        ("bias_direction".to_owned(), network.bias_direction.clone()),
    ];
    let mut metadata = HashMap::from([("seconds".to_owned(), seconds.to_string())]);
    if let Some((steps, moments)) = optimiser.and_then(Optimiser::moments) {
        metadata.insert("steps".to_owned(), steps.to_string());
        let names = ["moment_1", "moment_2"].map(str::to_owned);
        tensors.extend(names.into_iter().zip(moments));
    }
    let mut stored: Vec<Stored> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let shape = tensor.dims().to_vec();
            Stored::floats(&name, shape, Dtype::F32, &values(tensor))
        })
        .collect();
    if let Some(memory) = memory {
        let pieces = memory_pieces(&memory.keys);
        let shape = vec![memory.keys.len(), MAX_PIECES];
        stored.push(Stored::floats(PIECES, shape, Dtype::F32, &pieces));
        let single =
            |name, values: &[f32]| Stored::floats(name, vec![values.len()], Dtype::F32, values);
        stored.push(single("memory", &memory.rows));
        stored.push(single("memory_squares", &memory.squares));
        stored.push(single("memory_usual", &memory.usual));
    }
    write(&stored, metadata, path)
}

/// Reads the memory that [`save`] wrote, whose rows have `columns` elements.
///
/// # Errors
/// `io`; `bad-checkpoint` where the file is another network's.
pub fn load_memory(columns: usize, path: &Path) -> Result<Memory, TrainError> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let mut memory = Memory::new(columns, pieces(&file)?);
    memory.rows = singles(&file, "memory", &[memory.rows.len()])?;
    memory.squares = singles(&file, "memory_squares", &[memory.squares.len()])?;
    let usual = singles(&file, "memory_usual", &[memory.usual.len()])?;
    memory.usual.copy_from_slice(&usual);
    Ok(memory)
}

/// The strings of the memory that a file has.
pub(super) fn pieces(file: &SafeTensors<'_>) -> Result<Vec<Vec<u32>>, TrainError> {
    let view = file.tensor(PIECES)?;
    if view.shape().last() != Some(&MAX_PIECES) {
        return Err(TrainError::OtherNetwork(PIECES.to_owned()));
    }
    Ok(memory_keys(&singles(file, PIECES, view.shape())?))
}

/// Reads what [`save`] wrote; returns the seconds trained.
///
/// # Errors
/// `io`; `bad-checkpoint` where the file is another network's.
pub fn load(
    network: &mut Network,
    optimiser: &mut Optimiser,
    path: &Path,
    device: &Device,
) -> Result<f64, TrainError> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let read = |name: &str, shape: [usize; 2]| -> Result<Tensor<2>, TrainError> {
        let values = TensorData::new(singles(&file, name, &shape)?, shape);
        Ok(Tensor::from_data(values, device))
    };
    let (head, row) = (network.head().dims(), network.spread.dims());
    network.set_head(read("head", head)?);
    network.spread = read("spread", row)?;
    network.bias_direction = read("bias_direction", row)?;
    let steps = metadata.get("steps").and_then(|steps| steps.parse().ok());
    if let Some(steps) = steps {
        optimiser.restore(steps, [read("moment_1", head)?, read("moment_2", head)?]);
    }
    let seconds = metadata.get("seconds").and_then(|x| x.parse().ok());
    Ok(seconds.unwrap_or(0.0))
}

/// Writes the file that [`Hypernetwork`](lexigraft_models::hypernetwork::Hypernetwork) loads: the
/// head in half precision, `base` the fingerprint of the rows it was made for.
///
/// # Errors
/// `io`.
pub fn export(
    network: &Network,
    memory: &Memory,
    bias: &[f32],
    base: String,
    base_name: &str,
    path: &Path,
) -> Result<(), TrainError> {
    let hidden = network.sizes.hidden;
    let config = HypernetworkConfig {
        hidden,
        layers: network.layers(),
        base,
        base_name: base_name.to_owned(),
    };
    let floats =
        |name, values: &[f32]| Stored::floats(name, vec![values.len()], Dtype::F32, values);
    let row = |name, tensor: &Tensor<2>| floats(name, &values(tensor.clone()));
    let head = network.head().clone().transpose();
    let shape = head.dims().to_vec();
    let head = Stored::floats("head.weight", shape, Dtype::F16, &values(head));
    let mut stored = vec![
        head,
        row("spread", &network.spread),
        row("bias_direction", &network.bias_direction),
        floats("bias", bias),
    ];
    if !memory.keys.is_empty() {
        let (pieces, rows) = memory_tensors(memory.columns, &memory.keys, &memory.rows)?;
        stored.extend(Stored::memory(memory.keys.len(), &pieces, rows));
    }
    write(&stored, HashMap::from(config.to_metadata()), path)
}

/// Takes over the head of what [`export`] wrote, with its spread and direction; returns the biases and
/// the memory.
///
/// # Errors
/// `io`; `bad-checkpoint` where the file is another network's.
pub fn import(
    network: &mut Network,
    path: &Path,
    device: &Device,
) -> Result<([f32; MAX_PIECES + 1], Memory), TrainError> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let read = |name: &str, shape: &[usize]| singles(&file, name, shape);
    let hidden = network.sizes.hidden;
    let [features, columns] = network.head().dims();
    let head = read("head.weight", &[columns, features])?;
    let head = Tensor::<2>::from_data(TensorData::new(head, [columns, features]), device);
    let row = |name| -> Result<Tensor<2>, TrainError> {
        let values = TensorData::new(read(name, &[hidden])?, [1, hidden]);
        Ok(Tensor::from_data(values, device))
    };
    network.set_head(head.transpose());
    network.spread = row("spread")?;
    network.bias_direction = row("bias_direction")?;
    let mut bias = [0.0; MAX_PIECES + 1];
    bias.copy_from_slice(&read("bias", &[MAX_PIECES + 1])?);
    Ok((bias, blend::memory(&file, columns)?))
}

/// What the memory of a file is called, by `lexigraft_models`.
pub(super) const PIECES: &str = "memory.pieces";
pub(super) const ROWS: &str = "memory.rows";

/// A tensor of singles or halves as singles.
///
/// # Errors
/// `bad-checkpoint` for another shape or type.
pub(super) fn singles(
    file: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, TrainError> {
    let view = file.tensor(name)?;
    match view.dtype() {
        _ if view.shape() != shape => Err(TrainError::OtherNetwork(name.to_owned())),
        Dtype::F32 => {
            let singles = view.data().as_chunks::<4>().0.iter();
            Ok(singles.map(|x| f32::from_le_bytes(*x)).collect())
        }
        Dtype::F16 => {
            let halves = view.data().as_chunks::<2>().0.iter();
            Ok(halves.map(|x| f16::from_le_bytes(*x).to_f32()).collect())
        }
        _ => Err(TrainError::OtherNetwork(name.to_owned())),
    }
}

/// A tensor as it is written.
pub(super) struct Stored {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl Stored {
    /// In half precision where `dtype` is that, else as singles.
    pub(super) fn floats(name: &str, shape: Vec<usize>, dtype: Dtype, values: &[f32]) -> Self {
        let bytes = match dtype {
            Dtype::F16 => values
                .iter()
                .flat_map(|&x| f16::from_f32(x).to_le_bytes())
                .collect(),
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        Self {
            name: name.to_owned(),
            shape,
            dtype,
            bytes,
        }
    }

    /// The two tensors of a memory of some strings.
    pub(super) fn memory(strings: usize, pieces: &[f32], rows: Vec<u8>) -> [Self; 2] {
        let shape = vec![strings, MAX_PIECES];
        let rows = Self {
            name: ROWS.to_owned(),
            shape: vec![strings, rows.len() / strings.max(1)],
            dtype: Dtype::U8,
            bytes: rows,
        };
        [Self::floats(PIECES, shape, Dtype::F32, pieces), rows]
    }
}

/// To a name of its own first, so that a stop leaves the last file whole.
pub(super) fn write(
    stored: &[Stored],
    metadata: HashMap<String, String>,
    path: &Path,
) -> Result<(), TrainError> {
    let mut views = Vec::with_capacity(stored.len());
    for tensor in stored {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?;
        views.push((tensor.name.as_str(), view));
    }
    let bytes = safetensors::serialize(views, Some(metadata))?;
    let partial = path.with_extension("part");
    std::fs::write(&partial, bytes)?;
    std::fs::rename(&partial, path)?;
    Ok(())
}
