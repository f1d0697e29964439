//! WGSL from `shaders/`, put together and handed to CubeCL as it is.

use burn::backend::wgpu::{CubeDim, KernelSource, SourceKernel, SourceTemplate};
use burn_cubecl::cubecl::ExecutionMode;
use burn_cubecl::cubecl::prelude::KernelId;
use lexigraft_checkpoint::DType;

/// A shader and what chooses among its forms. Dimensions of tensors are no part of it: they are in
/// a buffer, so that there is one pipeline for all sizes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Shader {
    pub name: Name,
    /// The block format of its matrix, where it has one.
    pub format: Option<DType>,
    /// Lines between `//#if FEATURE` and `//#endif` that are kept.
    pub features: Vec<&'static str>,
    /// `const NAME: u32 = value;`, put before the text.
    pub constants: Vec<(&'static str, u32)>,
    /// Invocations of a workgroup.
    pub workgroup: u32,
}

/// The files of `shaders/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Add,
    Argmax,
    Attention,
    AttentionAlone,
    AttentionMerge,
    AttentionStep,
    ByteNormalize,
    ByteSegments,
    ClsAttention,
    Copy,
    CosineDistances,
    KeepFuse,
    KeepPlaces,
    KeepScores,
    LayerNorm,
    Matmul,
    MatmulRegisters,
    Matvec,
    MaxMin,
    MeanRows,
    MergeLinks,
    MergeMatch,
    MergePairs,
    MergePatches,
    MergeRestore,
    MergeRows,
    MergeUnits,
    ProbeLengths,
    ProbeRows,
    QuickGelu,
    RmsNorm,
    RopeAppend,
    Rows,
    Swiglu,
    TargetLogProbs,
    TopK,
    Upsample,
    WardCosts,
    WardMerge,
}

macro_rules! shader {
    ($file:literal) => {
        include_str!(concat!("../../../../shaders/", $file, ".wgsl"))
    };
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Add => shader!("add"),
            Self::Argmax => shader!("argmax"),
            Self::Attention => shader!("attention"),
            Self::AttentionAlone => shader!("attention_alone"),
            Self::AttentionMerge => shader!("attention_merge"),
            Self::AttentionStep => shader!("attention_step"),
            Self::ByteNormalize => shader!("byte_normalize"),
            Self::ByteSegments => shader!("byte_segments"),
            Self::ClsAttention => shader!("cls_attention"),
            Self::Copy => shader!("copy"),
            Self::CosineDistances => shader!("cosine_distances"),
            Self::KeepFuse => shader!("keep_fuse"),
            Self::KeepPlaces => shader!("keep_places"),
            Self::KeepScores => shader!("keep_scores"),
            Self::LayerNorm => shader!("layer_norm"),
            Self::Matmul => shader!("matmul"),
            Self::MatmulRegisters => shader!("matmul_registers"),
            Self::Matvec => shader!("matvec"),
            Self::MaxMin => shader!("max_min"),
            Self::MeanRows => shader!("mean_rows"),
            Self::MergeLinks => shader!("merge_links"),
            Self::MergeMatch => shader!("merge_match"),
            Self::MergePairs => shader!("merge_pairs"),
            Self::MergePatches => shader!("merge_patches"),
            Self::MergeRestore => shader!("merge_restore"),
            Self::MergeRows => shader!("merge_rows"),
            Self::MergeUnits => shader!("merge_units"),
            Self::ProbeLengths => shader!("probe_lengths"),
            Self::ProbeRows => shader!("probe_rows"),
            Self::QuickGelu => shader!("quick_gelu"),
            Self::RmsNorm => shader!("rms_norm"),
            Self::RopeAppend => shader!("rope_append"),
            Self::Rows => shader!("rows"),
            Self::Swiglu => shader!("swiglu"),
            Self::TargetLogProbs => shader!("target_log_probs"),
            Self::TopK => shader!("top_k"),
            Self::Upsample => shader!("upsample"),
            Self::WardCosts => shader!("ward_costs"),
            Self::WardMerge => shader!("ward_merge"),
        }
    }
}

/// The text of a block format; empty for a type that has none.
fn format_text(dtype: DType) -> &'static [&'static str] {
    const COMMON: &str = shader!("blocks/common");
    const HALVES: &str = shader!("blocks/halves");
    const FIVE_BITS: &str = shader!("blocks/five_bits");
    const SUPER: &str = shader!("blocks/super");
    match dtype {
        DType::Q4_0 => &[COMMON, HALVES, shader!("blocks/q4_0")],
        DType::Q4_1 => &[COMMON, shader!("blocks/q4_1")],
        DType::Q5_0 => &[COMMON, HALVES, FIVE_BITS, shader!("blocks/q5_0")],
        DType::Q5_1 => &[COMMON, FIVE_BITS, shader!("blocks/q5_1")],
        DType::Q8_0 => &[COMMON, HALVES, shader!("blocks/q8_0")],
        DType::Q4K => &[COMMON, SUPER, shader!("blocks/q4_k")],
        DType::Q5K => &[COMMON, SUPER, FIVE_BITS, shader!("blocks/q5_k")],
        DType::Q6K => &[COMMON, SUPER, HALVES, shader!("blocks/q6_k")],
        DType::F16 => &[shader!("blocks/f16")],
        DType::BF16 => &[shader!("blocks/bf16")],
        DType::F32 => &[shader!("blocks/f32")],
        DType::Other(_) => &[],
    }
}

impl Shader {
    /// A shader without a matrix or features.
    pub fn plain(name: Name, workgroup: u32) -> Self {
        Self {
            name,
            format: None,
            features: Vec::new(),
            constants: Vec::new(),
            workgroup,
        }
    }

    pub fn feature(mut self, name: &'static str, wanted: bool) -> Self {
        if wanted {
            self.features.push(name);
        }
        self
    }

    pub fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.constants.push((name, value));
        self
    }

    pub fn kernel(self) -> SourceKernel<Self> {
        let dim = CubeDim::new_1d(self.workgroup);
        SourceKernel::new(self, dim)
    }

    /// The WGSL that the device compiles.
    pub fn wgsl(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.constants {
            text.push_str(&format!("const {name}: u32 = {value}u;\n"));
        }
        text.push_str(&self.chosen(self.name.text()));
        for part in self.format.map_or(&[][..], format_text) {
            text.push('\n');
            text.push_str(part);
        }
        if super::launch::SHARED_BUFFERS {
            // Where tensors share buffers, one bound for reading beside one bound for writing would
            // be two usages of one buffer, which WebGPU forbids.
            text = text.replace("var<storage, read>", "var<storage, read_write>");
        }
        text
    }

    /// Keeps the lines of the chosen features, repeats what is to be repeated, and numbers the
    /// bindings that are left from 0.
    fn chosen(&self, text: &str) -> String {
        const BINDING: &str = "@binding(";
        let mut out = String::with_capacity(text.len());
        let mut kept = Vec::new();
        let mut bindings = 0;
        let mut lines = Vec::new();
        for line in text.lines() {
            let directive = line.trim();
            if let Some(feature) = directive.strip_prefix("//#if ") {
                kept.push(self.features.contains(&feature));
            } else if directive == "//#else" {
                if let Some(last) = kept.last_mut() {
                    *last = !*last;
                }
            } else if directive == "//#endif" {
                kept.pop();
            } else if kept.iter().all(|&kept| kept) {
                lines.push(line);
            }
        }
        for line in self.repeated(&lines) {
            match line.split_once(BINDING) {
                Some((before, after)) if !line.trim_start().starts_with("//") => {
                    let after = after.split_once(')').map_or(after, |(_, after)| after);
                    out.push_str(&format!("{before}{BINDING}{bindings}){after}"));
                    bindings += 1;
                }
                _ => out.push_str(&line),
            }
            out.push('\n');
        }
        out
    }

    /// Lines between `//#each NAME COUNT` and its `//#end`, once for each number below the count,
    /// with `$NAME` replaced by it. The count is a number or one of the constants.
    fn repeated(&self, lines: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        let mut rest = lines.iter();
        while let Some(line) = rest.next() {
            let Some(each) = line.trim().strip_prefix("//#each ") else {
                out.push((*line).to_owned());
                continue;
            };
            let (name, count) = each.split_once(' ').unwrap_or((each, "0"));
            let constant = self.constants.iter().find(|(name, _)| *name == count);
            let count = constant.map_or_else(|| count.parse().unwrap_or(0), |(_, value)| *value);
            let mut depth = 1;
            let inner: Vec<&str> = rest
                .by_ref()
                .copied()
                .take_while(|line| {
                    match line.trim() {
                        "//#end" => depth -= 1,
                        line if line.starts_with("//#each ") => depth += 1,
                        _ => {}
                    }
                    depth > 0
                })
                .collect();
            let inner = self.repeated(&inner);
            let name = format!("${name}");
            for number in 0..count {
                let number = number.to_string();
                out.extend(inner.iter().map(|line| line.replace(&name, &number)));
            }
        }
        out
    }
}

impl KernelSource for Shader {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.wgsl())
    }

    fn id(&self) -> KernelId {
        // Unchecked leaves loops as they are written: each ends by itself.
        KernelId::new::<Self>()
            .info(self.clone())
            .mode(ExecutionMode::Unchecked)
            .cube_dim(CubeDim::new_1d(self.workgroup).0)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Shader};

    #[test]
    fn features_choose_lines_and_bindings_are_numbered_anew() {
        let with = Shader::plain(Name::RmsNorm, 64).feature("ADD", true).wgsl();
        let without = Shader::plain(Name::RmsNorm, 64)
            .feature("ADD", false)
            .wgsl();
        assert!(with.contains("@binding(5)") && with.contains("residual"));
        assert!(!without.contains("@binding(4)") && !without.contains("residual[base"));
        for text in [with, without] {
            assert!(!text.contains("//#"), "{text}");
            for index in 0..4 {
                assert_eq!(text.matches(&format!("@binding({index})")).count(), 1);
            }
        }
    }
}
