//! Checkpoints of a training run, and the file that comes of it.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use lexigraft_models::hypernetwork::{HypernetworkConfig, memory_tensors};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::TrainError;
use super::context::values;
use super::memory::Memory;
use super::network::{MAX_PIECES, Network};
use super::step::Optimiser;

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
        .map(|(name, tensor)| Stored {
            name,
            shape: tensor.dims().to_vec(),
            dtype: Dtype::F32,
            bytes: values(tensor)
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect(),
        })
        .collect();
    if let Some(memory) = memory {
        let single = |name: &str, values: &[f32]| Stored {
            name: name.to_owned(),
            shape: vec![values.len()],
            dtype: Dtype::F32,
            bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        stored.push(single("memory", &memory.rows));
        stored.push(single("memory_squares", &memory.squares));
        stored.push(single("memory_usual", &memory.usual));
    }
    write(&stored, metadata, path)
}

/// Reads the memory that [`save`] wrote into one of the same strings.
///
/// # Errors
/// `io`; `bad-checkpoint` where the file has another number of strings.
pub fn load_memory(memory: &mut Memory, path: &Path) -> Result<(), TrainError> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    for (name, values) in [
        ("memory", memory.rows.as_mut_slice()),
        ("memory_squares", memory.squares.as_mut_slice()),
        ("memory_usual", memory.usual.as_mut_slice()),
    ] {
        let view = file.tensor(name)?;
        if view.shape() != [values.len()] || view.dtype() != Dtype::F32 {
            return Err(TrainError::OtherNetwork(name.to_owned()));
        }
        let singles = view.data().as_chunks::<4>().0;
        for (value, single) in values.iter_mut().zip(singles) {
            *value = f32::from_le_bytes(*single);
        }
    }
    Ok(())
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
        let view = file.tensor(name)?;
        if view.shape() != shape || view.dtype() != Dtype::F32 {
            return Err(TrainError::OtherNetwork(name.to_owned()));
        }
        let singles = view.data().as_chunks::<4>().0.iter();
        let singles: Vec<f32> = singles.map(|x| f32::from_le_bytes(*x)).collect();
        Ok(Tensor::from_data(TensorData::new(singles, shape), device))
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
    let row = |name: &str, tensor: &Tensor<2>| Stored {
        name: name.to_owned(),
        shape: vec![hidden],
        dtype: Dtype::F32,
        bytes: values(tensor.clone())
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect(),
    };
    let head = network.head().clone().transpose();
    let head = Stored {
        name: "head.weight".to_owned(),
        shape: head.dims().to_vec(),
        dtype: Dtype::F16,
        bytes: values(head)
            .iter()
            .flat_map(|&x| f16::from_f32(x).to_le_bytes())
            .collect(),
    };
    let mut stored = vec![
        head,
        row("spread", &network.spread),
        row("bias_direction", &network.bias_direction),
        Stored {
            name: "bias".to_owned(),
            shape: vec![bias.len()],
            dtype: Dtype::F32,
            bytes: bias.iter().flat_map(|x| x.to_le_bytes()).collect(),
        },
    ];
    if !memory.keys.is_empty() {
        let (pieces, rows) = memory_tensors(memory.columns, &memory.keys, &memory.rows)?;
        stored.push(Stored {
            name: "memory.pieces".to_owned(),
            shape: vec![memory.keys.len(), MAX_PIECES],
            dtype: Dtype::F32,
            bytes: pieces.iter().flat_map(|x| x.to_le_bytes()).collect(),
        });
        stored.push(Stored {
            name: "memory.rows".to_owned(),
            shape: vec![memory.keys.len(), rows.len() / memory.keys.len()],
            dtype: Dtype::U8,
            bytes: rows,
        });
    }
    write(&stored, HashMap::from(config.to_metadata()), path)
}

/// Takes over the head of what [`export`] wrote, with its spread and direction; returns the biases. What
/// it remembers of single strings is left behind.
///
/// # Errors
/// `io`; `bad-checkpoint` where the file is another network's.
pub fn import(
    network: &mut Network,
    path: &Path,
    device: &Device,
) -> Result<[f32; MAX_PIECES + 1], TrainError> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>, TrainError> {
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
    };
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
    Ok(bias)
}

struct Stored {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

/// To a name of its own first, so that a stop leaves the last file whole.
fn write(
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
