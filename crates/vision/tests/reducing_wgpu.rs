//! Reductions on the graphics card (a software Vulkan device will do) beside the host's, and what is
//! read back for them.

#[path = "common/reference.rs"]
#[allow(dead_code)] // Each test binary uses a part.
mod reference;

use lexigraft_kernels::gpu::counters;
use lexigraft_models::DeviceKind;
use lexigraft_models::device::read_f32;
use lexigraft_models::vision::Vit;
use lexigraft_vision::VisionError;
use lexigraft_vision::metrics::{cosine, mean_row_cosine};
use lexigraft_vision::reduce::{Reduction, Schedule, TokenReducer, TokenView, parse_reduce};
use lexigraft_vision::see::{Reduce, Seen, see_values};
use reference::photograph;

/// A method that the host has to carry out.
#[derive(Debug)]
struct OnTheHost(Box<dyn TokenReducer>);

impl TokenReducer for OnTheHost {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        self.0.reduce(view, keep)
    }

    fn proportional_attention(&self) -> bool {
        self.0.proportional_attention()
    }

    fn restores_differences(&self) -> bool {
        self.0.restores_differences()
    }

    fn probes(&self, features: &[f32], width: usize) -> Option<Vec<f32>> {
        self.0.probes(features, width)
    }
}

/// What is seen at 112 pixels, and how many tensors were read back for it.
async fn seen(
    model: &Vit,
    values: &[f32],
    method: Option<(&dyn TokenReducer, &Schedule)>,
) -> (Seen, u64) {
    let reduce = method.map(|(method, schedule)| Reduce { method, schedule });
    let before = counters().readbacks;
    let seen = see_values(model, values, 112, 112, reduce).await;
    (seen.expect("runs"), counters().readbacks - before)
}

// One test in this binary: others would count too.
#[test]
fn reductions_on_the_device_are_the_hosts_and_read_nothing_back_before_the_end() {
    pollster::block_on(async {
        let model = reference::model(DeviceKind::Wgpu).await;
        let values = photograph("coffee", 112);
        let (dense, dense_readbacks) = seen(&model, &values, None).await;
        assert_eq!(dense_readbacks, 2, "the tokens and the map");
        // The source map; and what patches lost or last were, where there is such a thing.
        for (text, more) in [
            ("tome:r=4", 1),
            ("tome-plain:r=4", 1),
            ("ward:r=4", 2),
            ("evit:keep=0.6", 2),
            ("evit-fuse:keep=0.6", 2),
            ("lowest:keep=0.6", 2),
            ("random:keep=0.6,seed=3", 2),
            // In singles it is chance which of two tokens is the 25th: they are 1e-7 apart.
            ("divprune:keep=0.3", 2),
            ("divprune:count=0,layers=11", 2),
            ("zoo-prune:keep=0.8,layers=5", 2),
        ] {
            let (method, schedule) = parse_reduce(text).expect("is known");
            let on_device = Some((method.as_ref(), &schedule));
            if ["tome:r=4", "evit:keep=0.6"].contains(&text) {
                // The first run of its kind holds the kernels against their twins.
                seen(&model, &values, on_device).await;
            }
            let (ours, readbacks) = seen(&model, &values, on_device).await;
            let host = OnTheHost(parse_reduce(text).expect("is known").0);
            let (theirs, host_readbacks) = seen(&model, &values, Some((&host, &schedule))).await;
            eprintln!(
                "{text}: {readbacks} readbacks, {host_readbacks} through the host, {dense_readbacks} dense"
            );
            assert_eq!(readbacks, dense_readbacks + more, "{text}");
            assert!(host_readbacks > readbacks, "{host_readbacks}");
            assert_eq!(ours.tokens, theirs.tokens, "{text}");
            assert_eq!(ours.maps.len(), 12);
            let same = ours.maps.iter().zip(&theirs.maps);
            let same = same.take_while(|(ours, theirs)| ours == theirs).count();
            assert_eq!(same, 12, "{text}: the block that differs");
            assert!(ours.map.fates() == theirs.map.fates());
            assert!(cosine(&ours.cls, &theirs.cls) > 0.999_999, "{text}");
            assert!(mean_row_cosine(&ours.patches, &theirs.patches, 384) > 0.999_999);
            assert!(ours.cls != dense.cls, "{text}");
        }
        // Nothing reduced is the dense run.
        for text in ["tome:r=0", "ward:r=0", "evit:keep=1", "divprune:keep=1"] {
            let (method, schedule) = parse_reduce(text).expect("is known");
            let (all, _) = seen(&model, &values, Some((method.as_ref(), &schedule))).await;
            assert_eq!(
                (&all.cls, &all.patches),
                (&dense.cls, &dense.patches),
                "{text}"
            );
            assert!(all.maps == dense.maps, "{text}");
        }
        // A batch stays on the device too, and each picture is what it is alone.
        let other = photograph("chelsea", 112);
        let both = [values.as_slice(), &other].concat();
        let before = counters().readbacks;
        let batch = model.forward(&both, (112, 112)).await.expect("runs");
        assert_eq!(counters().readbacks, before);
        let batch = read_f32(batch).await.expect("is read");
        for (values, states) in [&values, &other]
            .into_iter()
            .zip(batch.chunks(batch.len() / 2))
        {
            let alone = model.forward(values, (112, 112)).await.expect("runs");
            let alone = read_f32(alone).await.expect("is read");
            assert!(mean_row_cosine(&alone, states, 384) > 0.999_999);
        }
    });
}
