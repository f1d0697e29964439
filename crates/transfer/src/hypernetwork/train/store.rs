//! Checkpoints of a training run.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::TrainError;
use super::network::Network;

/// Writes the weights in singles, to a name of their own first, so that a stop leaves the last
/// checkpoint whole.
///
/// # Errors
/// `checkpoint`.
pub fn save(network: &Network, step: usize, path: &Path) -> Result<(), TrainError> {
    let mut stored = Vec::new();
    let named = network.params.iter().enumerate();
    let named = named.map(|(index, tensor)| (format!("p{index:03}"), tensor));
    let others = [
        ("spread".to_owned(), &network.spread),
        ("bias_direction".to_owned(), &network.bias_direction),
    ];
    for (name, tensor) in named.chain(others) {
        let shape = tensor.dims().to_vec();
        let values = tensor.to_data().to_vec::<f32>().unwrap_or_default();
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        stored.push((name, shape, bytes));
    }
    let mut views = Vec::with_capacity(stored.len());
    for (name, shape, bytes) in &stored {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)?;
        views.push((name.as_str(), view));
    }
    let metadata = HashMap::from([("step".to_owned(), step.to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata))?;
    let partial = path.with_extension("part");
    std::fs::write(&partial, bytes)?;
    std::fs::rename(&partial, path)?;
    Ok(())
}

/// Reads weights into a network of the same shape; returns the step they were written at.
///
/// # Errors
/// `checkpoint` where the file is another network's.
pub fn load(network: &mut Network, path: &Path, device: &Device) -> Result<usize, TrainError> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let step = header.metadata().as_ref().and_then(|m| m.get("step")?.parse().ok());
    let read = |name: &str, like: &Tensor<2>| -> Result<Tensor<2>, TrainError> {
        let view = file.tensor(name)?;
        let shape = like.dims();
        if view.shape() != shape || view.dtype() != Dtype::F32 {
            return Err(TrainError::OtherNetwork(name.to_owned()));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    };
    for index in 0..network.params.len() {
        network.params[index] = read(&format!("p{index:03}"), &network.params[index])?;
    }
    network.spread = read("spread", &network.spread)?;
    network.bias_direction = read("bias_direction", &network.bias_direction)?;
    Ok(step.unwrap_or(0))
}
