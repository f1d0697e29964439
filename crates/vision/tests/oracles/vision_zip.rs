use lexigraft_vision::reduce::VisionZip;

use crate::common::{close, cosine};
use crate::{each, rows, weighted};

#[test]
fn visionzip_takes_dominant_tokens_and_merges_the_rest() {
    each(20, |case, keep, _| {
        let n = case.reducible();
        let method = VisionZip { contextual: 0.4 };
        let reduction = case.reduce(&method, keep);
        if keep == n {
            return assert!(reduction.is_identity());
        }
        let contextual = ((keep as f32 * 0.4).round() as usize).min(keep);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| case.score(b).total_cmp(&case.score(a)));
        let mut dominant = order[..keep - contextual].to_vec();
        dominant.sort_unstable();
        let rest: Vec<usize> = (0..n).filter(|i| !dominant.contains(i)).collect();
        let mut want = Vec::new();
        for &index in &dominant {
            want.extend(weighted(case, &[(index, 1.0)]));
        }
        if let Some(stride) = rest.len().checked_div(contextual) {
            let targets: Vec<usize> = (0..contextual).map(|i| rest[i * stride]).collect();
            let mut groups = vec![Vec::new(); contextual];
            for &token in rest.iter().filter(|token| !targets.contains(token)) {
                let mut best = (0, f64::MIN);
                for (at, &target) in targets.iter().enumerate() {
                    let value = cosine(case.key(token), case.key(target));
                    if value > best.1 {
                        best = (at, value);
                    }
                }
                groups[best.0].push(token);
            }
            for (&target, group) in targets.iter().zip(&groups) {
                let mut terms = vec![(target, 1.0)];
                terms.extend(group.iter().map(|&t| (t, 1.0 / group.len() as f64)));
                want.extend(weighted(case, &terms));
            }
        }
        close(&rows(&reduction, case), &want, 1e-5);
        let living = reduction
            .destinations()
            .iter()
            .filter(|d| d.is_some())
            .count();
        let expected = if contextual > 0 { n } else { keep };
        assert_eq!(living, case.leading + expected);
    });
}
