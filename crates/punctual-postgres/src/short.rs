//! Arrays of statements that take a row for each element. The server unpacks each array on its own, so what is the same
//! for all rows is sent once: the statement takes the first element where there is no other.

/// Equal values become one.
pub(crate) fn of_one<T: PartialEq>(mut values: Vec<T>) -> Vec<T> {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        values.truncate(1);
    }
    values
}

/// Values that are all missing become none.
pub(crate) fn of_some<T>(mut values: Vec<Option<T>>) -> Vec<Option<T>> {
    if values.iter().all(Option::is_none) {
        values.clear();
    }
    values
}

#[cfg(test)]
mod tests {
    use super::{of_one, of_some};

    #[test]
    fn only_what_is_the_same_for_all_is_shortened() {
        assert_eq!(of_one(vec![7, 7, 7]), [7]);
        assert_eq!(of_one(vec![7, 7, 8]), [7, 7, 8]);
        assert_eq!(of_one(vec![7]), [7]);
        assert!(of_one(Vec::<i64>::new()).is_empty());
        assert!(of_some::<i64>(vec![None, None]).is_empty());
        assert_eq!(of_some(vec![None, Some(7)]), [None, Some(7)]);
    }
}
