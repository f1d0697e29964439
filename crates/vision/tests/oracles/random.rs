use lexigraft_vision::reduce::Random;

use crate::common::{Case, Draw, kept};

#[test]
fn random_depends_on_seed_and_layer_alone_and_is_fair() {
    let mut counts = vec![0usize; 10];
    let mut case = Case::random(&mut Draw::new(1), 10);
    for seed in 0..4000 {
        let reduction = case.reduce(&Random { seed }, 3);
        for index in kept(&reduction, case.leading) {
            counts[index] += 1;
        }
    }
    // 1200 expected, standard deviation 29.
    assert!(
        counts.iter().all(|count| (1050..1350).contains(count)),
        "{counts:?}"
    );
    let once = case.reduce(&Random { seed: 5 }, 3);
    assert_eq!(once, case.reduce(&Random { seed: 5 }, 3));
    let same: usize = (0..40)
        .filter(|&layer| {
            case.layer = layer;
            case.reduce(&Random { seed: 5 }, 3) == once
        })
        .count();
    assert!(same < 10, "layers draw alike");
}
