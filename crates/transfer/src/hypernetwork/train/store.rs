//! Checkpoints of a training run, and the file that comes of it.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use lexigraft_models::hypernetwork::HypernetworkConfig;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::TrainError;
use super::context::values;
use super::network::Network;
use super::step::Optimiser;

/// Writes the head, the moments of its gradients, and the seconds trained.
///
/// # Errors
/// `io`.
pub fn save(
    network: &Network,
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
    let stored: Vec<Stored> = tensors
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
    write(&stored, metadata, path)
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
    let stored = [
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
    write(&stored, HashMap::from(config.to_metadata()), path)
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
