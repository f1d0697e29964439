//! Merging on the graphics card (a software Vulkan device will do) beside the host's, and what is
//! read back for it.

#[path = "common/reference.rs"]
#[allow(dead_code)] // Each test binary uses a part.
mod reference;

use lexigraft_kernels::gpu::counters;
use lexigraft_models::DeviceKind;
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
fn merging_on_the_device_is_the_hosts_and_reads_nothing_back_before_the_end() {
    pollster::block_on(async {
        let model = reference::model(DeviceKind::Wgpu).await;
        let values = photograph("coffee", 112);
        let (dense, dense_readbacks) = seen(&model, &values, None).await;
        // The source map; and what the patches lost, for a method that asks for it.
        for (text, more) in [("tome:r=4", 1), ("ward:r=4", 2)] {
            let (method, schedule) = parse_reduce(text).expect("is known");
            let on_device = Some((method.as_ref(), &schedule));
            // The first run holds the kernels against their twins.
            seen(&model, &values, on_device).await;
            let (ours, readbacks) = seen(&model, &values, on_device).await;
            let host = OnTheHost(parse_reduce(text).expect("is known").0);
            let (theirs, host_readbacks) = seen(&model, &values, Some((&host, &schedule))).await;
            eprintln!(
                "{text}: {readbacks} readbacks, {host_readbacks} through the host, {dense_readbacks} dense"
            );
            assert!(readbacks <= dense_readbacks + more, "{text}: {readbacks}");
            assert!(host_readbacks >= dense_readbacks + 24, "{host_readbacks}");
            assert_eq!(ours.tokens, theirs.tokens, "{text}");
            assert_eq!(ours.maps.len(), 12);
            assert_eq!(ours.maps, theirs.maps, "{text}");
            assert_eq!(ours.map.fates(), theirs.map.fates());
            assert!(cosine(&ours.cls, &theirs.cls) > 0.999_999, "{text}");
            assert!(mean_row_cosine(&ours.patches, &theirs.patches, 384) > 0.999_999);
            assert!(ours.cls != dense.cls && cosine(&ours.cls, &dense.cls) > 0.9);
        }
        // Nothing merged is the dense run.
        for text in ["tome:r=0", "ward:r=0"] {
            let (method, schedule) = parse_reduce(text).expect("is known");
            let (all, _) = seen(&model, &values, Some((method.as_ref(), &schedule))).await;
            assert_eq!(
                (&all.cls, &all.patches),
                (&dense.cls, &dense.patches),
                "{text}"
            );
            assert_eq!(all.maps, dense.maps);
        }
    });
}
