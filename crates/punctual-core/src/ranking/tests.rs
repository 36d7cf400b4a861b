use proptest::prelude::*;

use super::*;

fn place(value: i64, id: i64) -> Place {
    Place { value, id }
}

/// Lists with fences at arbitrary places.
fn fences(places: &[Place], at: &[usize]) -> Vec<Fence> {
    let mut firsts = vec![Place::FIRST];
    firsts.extend(at.iter().filter_map(|at| places.get(*at)).copied());
    firsts.sort_unstable();
    firsts.dedup();
    let end = |number: usize| firsts.get(number + 1).copied().unwrap_or(Place::END);
    let rows = |number: usize| {
        places.iter().filter(|place| **place >= firsts[number] && **place < end(number)).count() as u64
    };
    (0..firsts.len()).map(|number| Fence { first: firsts[number], rows: rows(number) }).collect()
}

proptest! {
    #[test]
    fn a_page_is_what_sorting_everything_gives(
        values in prop::collection::vec((0_i64..9, 0_usize..4, any::<bool>()), 0..80),
        cuts in prop::collection::vec(0_usize..80, 0..12),
        offset in 0_u64..90, limit in 0_u64..20, descending: bool, keyed: bool, after in 0_i64..9,
    ) {
        let mut lists = vec![Vec::new(); 3];
        let (mut fresh, mut gone, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (id, (value, list, lost)) in (0_i64..).zip(values) {
            let at = place(value, id);
            match lists.get_mut(list) {
                Some(of) => {
                    of.push(at);
                    if lost { gone.push((list, at)); } else { all.push(at); }
                }
                None => { fresh.push(at); all.push(at); }
            }
        }
        lists.iter_mut().for_each(|list| list.sort_unstable());
        let fenced: Vec<_> = lists.iter().map(|list| fences(list, &cuts)).collect();
        let after = keyed.then(|| place(after, 40));
        let part = Part { descending, after, paging: Paging { limit: Some(limit), offset } };
        let plan = plan(&fenced, fresh, &gone, &part);
        prop_assert_eq!(plan.total, all.len() as u64);
        let within = |span: &Span, at: Place| at >= span.from && span.to.is_none_or(|to| at < to);
        let read: Vec<Place> = plan.spans.iter()
            .flat_map(|span| lists[span.list].iter().copied().filter(|at| within(span, *at)).collect::<Vec<_>>())
            .collect();
        all.sort_unstable();
        if descending { all.reverse(); }
        let beyond = |at: &Place| after.is_none_or(|after| if descending { *at < after } else { *at > after });
        let wanted: Vec<Place> =
            all.into_iter().filter(beyond).skip(offset as usize).take(limit as usize).collect();
        prop_assert_eq!(plan.pick(read), wanted);
    }

    #[test]
    fn fences_count_what_was_noted(
        values in prop::collection::vec((1_i64..3, 0_i64..50, any::<bool>()), 1..60),
        already in 0_usize..60,
    ) {
        let row = |id: i64, series, ms, gone| Noted {
            id, series, status: TaskStatus::Success, started_at: ms, ended_at: None, duration_ms: Some(ms), gone,
        };
        let rows: Vec<Noted> = (0_i64..).zip(&values).map(|(id, (series, ms, _))| row(id, *series, *ms, false)).collect();
        let (first, rest) = rows.split_at(already.min(rows.len()));
        let mut folding = Folding::of(first);
        let stored = folding.count(Vec::new());
        let mut later = rest.to_vec();
        later.extend(rows.iter().zip(&values).filter(|(_, value)| value.2).map(|(row, _)| Noted { gone: true, ..*row }));
        let mut folding = Folding::of(&later);
        let lists = folding.lists();
        let changed = folding.count(stored.iter().copied().filter(|(list, _)| lists.contains(list)));
        let mut fences: BTreeMap<(List, Place), u64> =
            stored.into_iter().map(|(list, fence)| ((list, fence.first), fence.rows)).collect();
        fences.extend(changed.into_iter().map(|(list, fence)| ((list, fence.first), fence.rows)));
        let left = values.iter().filter(|value| !value.2).count() as u64;
        for sort in HistorySort::LISTED {
            let of_all: u64 = fences.iter().filter(|((list, _), _)| list.sort == sort.code() && list.series == 0)
                .map(|(_, rows)| rows).sum();
            prop_assert_eq!(of_all, left);
        }
    }
}

#[test]
fn noted_rows_survive_as_bytes() {
    let row = Noted {
        id: 7,
        series: 3,
        status: TaskStatus::Failed,
        started_at: -5,
        ended_at: Some(9),
        duration_ms: None,
        gone: true,
    };
    let mut bytes = Vec::new();
    let ended = Noted { id: 8, gone: false, ..row };
    let trigger = crate::TriggerKey::stored("a group", "ñame");
    row.write(None, &mut bytes);
    ended.write(Some(&trigger), &mut bytes);
    row.write(Some(&trigger), &mut bytes);
    ended.write(None, &mut bytes);
    let read: Vec<_> = Noted::read_each(&bytes).collect();
    assert_eq!(read, [(row, None), (ended, None), (row, Some(trigger)), (ended, None)]);
    assert_eq!(Noted::read_all(&bytes).collect::<Vec<_>>(), [row, ended, row, ended]);
    // A value that was cut off ends early.
    assert_eq!(Noted::read_all(&bytes[..bytes.len() - 43]).collect::<Vec<_>>(), [row, ended]);
}

#[test]
fn a_full_fence_is_cut_and_keeps_its_beginning() {
    let mut places: Vec<Place> = (0..5_000).rev().map(|id| place(1, id)).collect();
    let fences = cut(Place::FIRST, &mut places, Spacing::WIDE);
    assert_eq!(fences.iter().map(|fence| fence.rows).collect::<Vec<_>>(), [2_048, 2_048, 904]);
    assert_eq!(fences[0].first, Place::FIRST);
    assert_eq!(fences[1].first, place(1, 2_048));
}

#[test]
fn fences_say_how_many_rows_lie_between_two_places_at_most() {
    let at = |value| Place { value, id: 0 };
    let fences = [Place::FIRST, at(10), at(20)].map(|first| Fence { first, rows: 5 });
    assert_eq!(most_between(&fences, Place::FIRST, Place::END), 15);
    assert_eq!(most_between(&fences, at(12), at(18)), 5);
    assert_eq!(most_between(&fences, at(12), at(21)), 10);
    assert_eq!(most_between(&fences, at(21), Place::END), 5);
    assert_eq!(most_between(&[], Place::FIRST, Place::END), 0);
}
