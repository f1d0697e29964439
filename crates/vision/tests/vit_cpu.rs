//! The vision transformer on the CPU against onnxruntime, at several sizes, in batches, and with
//! reductions that keep everything.

#[path = "common/reference.rs"]
mod reference;

use lexigraft_models::DeviceKind;
use lexigraft_models::device::read_f32;
use lexigraft_models::vision::Vit;
use lexigraft_vision::metrics::{cosine, mean_row_cosine};
use lexigraft_vision::reduce::{METHODS, Schedule, parse_reduce};
use lexigraft_vision::see::{Reduce, Seen, see_values};
use reference::{agrees_with_references, differences, model, photograph, reference, synthetic};

async fn reduced(model: &Vit, values: &[f32], side: usize, reduce: &str) -> Seen {
    let (method, schedule) = parse_reduce(reduce).expect("is known");
    let reduce = Reduce {
        method: method.as_ref(),
        schedule: &schedule,
    };
    see_values(model, values, side, side, Some(reduce))
        .await
        .expect("runs")
}

#[test]
fn the_cpu_agrees_with_the_references() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        agrees_with_references(&model).await;
        // 154 x 266, and a batch of two at 98. The largest size has a test of its own.
        let cases = reference("vit-s-focus-sizes.json").cases;
        for case in cases.iter().filter(|case| case.height < 500) {
            let values = synthetic(case.height, case.width, case.item);
            let seen = see_values(&model, &values, case.height, case.width, None)
                .await
                .expect("runs");
            let (cls, norms, heat) = differences(&seen, case);
            eprintln!(
                "{} x {}: {cls:.1e} {norms:.1e} {heat:.1e}",
                case.height, case.width
            );
            assert!(cls < 2e-3 && norms < 0.02 && heat < 1e-4);
        }
        let batch: Vec<f32> = (0..2).flat_map(|item| synthetic(98, 98, item)).collect();
        let states = model.forward(&batch, (98, 98)).await.expect("runs");
        let states = read_f32(states).await.expect("reads");
        let per_item = states.len() / 2;
        for case in cases.iter().filter(|case| case.height == 98) {
            let cls = &states[case.item * per_item..][..384];
            let worst = cls
                .iter()
                .zip(&case.cls)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 2e-3, "item {}: {worst}", case.item);
        }
    });
}

#[test]
fn the_whole_position_grid_is_used_at_518() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        let cases = reference("vit-s-focus-sizes.json").cases;
        let case = cases
            .iter()
            .find(|case| case.height == 518)
            .expect("is there");
        let values = synthetic(518, 518, 0);
        let seen = see_values(&model, &values, 518, 518, None)
            .await
            .expect("runs");
        let (cls, norms, heat) = differences(&seen, case);
        eprintln!("518: {cls:.1e} {norms:.1e} {heat:.1e}");
        assert!(cls < 2e-3 && norms < 0.02 && heat < 1e-4);
    });
}

#[test]
fn keeping_all_is_the_dense_run_bit_for_bit() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        let values = photograph("coffee", 112);
        let dense = see_values(&model, &values, 112, 112, None)
            .await
            .expect("runs");
        for method in METHODS {
            let made = (method.make)(0);
            for schedule in [
                Schedule::merge(0, 0.0).unwrap(),
                Schedule::keep(1.0, vec![0, 5, 11]).unwrap(),
                Schedule::Counts(vec![(2, 64)]),
            ] {
                let reduce = Reduce {
                    method: made.as_ref(),
                    schedule: &schedule,
                };
                let seen = see_values(&model, &values, 112, 112, Some(reduce))
                    .await
                    .expect("runs");
                assert!(seen.cls == dense.cls, "{}", method.name);
                assert!(seen.patches == dense.patches && seen.heat == dense.heat);
                assert_eq!(seen.macs, seen.dense_macs);
            }
        }
    });
}

#[test]
fn every_method_runs_in_the_model_and_merging_is_faithful() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        let values = photograph("coffee", 112);
        let dense = see_values(&model, &values, 112, 112, None)
            .await
            .expect("runs");
        for method in METHODS {
            let settings = if method.gradual { "r=4" } else { "keep=0.6" };
            let seen = reduced(&model, &values, 112, &format!("{}:{settings}", method.name)).await;
            assert!(seen.macs < seen.dense_macs, "{}", method.name);
            assert_eq!(seen.patches.len(), dense.patches.len());
            assert!(
                seen.patches
                    .iter()
                    .chain(&seen.cls)
                    .all(|value| value.is_finite())
            );
            let tokens: Vec<usize> = seen.tokens.iter().map(|tokens| tokens.after).collect();
            assert!(
                tokens.windows(2).all(|pair| pair[1] <= pair[0]),
                "{tokens:?}"
            );
        }
        let merged = reduced(&model, &values, 112, "tome:r=2").await;
        assert!(cosine(&merged.cls, &dense.cls) > 0.98);
        assert!(mean_row_cosine(&merged.patches, &dense.patches, 384) > 0.97);
        let control = reduced(&model, &values, 112, "lowest:keep=0.6").await;
        assert!(cosine(&control.cls, &dense.cls) < cosine(&merged.cls, &dense.cls));
        // The measured table, one entry: ToMe r=16 on this photograph keeps a cosine of .989.
        let values = photograph("coffee", 224);
        let dense = see_values(&model, &values, 224, 224, None)
            .await
            .expect("runs");
        let merged = reduced(&model, &values, 224, "tome:r=16").await;
        let found = cosine(&merged.cls, &dense.cls);
        assert!((found - 0.989).abs() < 0.003, "{found}");
        assert_eq!(merged.tokens.last().unwrap().after, 65);
    });
}

#[test]
fn wrong_input_has_its_code() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        for (height, width) in [(0, 14), (15, 14), (532, 14), (14, 532)] {
            let values = vec![0.0; 3 * height * width];
            let error = see_values(&model, &values, height, width, None)
                .await
                .unwrap_err();
            assert_eq!(error.code(), "invalid-argument", "{height} x {width}");
        }
        let error = see_values(&model, &[0.0; 5], 14, 14, None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "invalid-argument");
        assert_eq!(
            parse_reduce("tomes:r=1").unwrap_err().code(),
            "unknown-method"
        );
        for wrong in [
            "tome:r=x",
            "tome:r",
            "tome:k=1",
            "tome:r=1,keep=0.5",
            "evit:keep=2",
            "evit:keep=nan",
            "evit:layers=a",
            "evit:keep=-0.1",
            "tome:r=1,inflect=3",
        ] {
            let error = parse_reduce(wrong).unwrap_err();
            assert_eq!(error.code(), "invalid-argument", "{wrong}");
        }
        let values = vec![0.0; 3 * 28 * 28];
        let made = (METHODS[0].make)(0);
        for schedule in [
            Schedule::Counts(vec![(1, 5)]),
            Schedule::Counts(vec![(12, 1)]),
            Schedule::keep(0.5, vec![12]).unwrap(),
        ] {
            let reduce = Reduce {
                method: made.as_ref(),
                schedule: &schedule,
            };
            let error = see_values(&model, &values, 28, 28, Some(reduce))
                .await
                .unwrap_err();
            assert_eq!(error.code(), "invalid-argument", "{schedule:?}");
        }
    });
}
