//! How many images a network may look at together without gradients: as many as half of the free memory holds.
//!
//! In: a configuration, and the room on the machine. Out: a number of images. The bytes of one are counted in
//! `sizing`.

use super::Room;
use crate::config::Config;
use crate::sizing;

/// Images a forward pass, from 1 to 64. Without a room a fixed number of bytes is taken to be free, as on a GPU.
#[must_use]
pub fn images_at_a_time(config: &Config, room: Option<Room>) -> usize {
    sizing::images_in(config, room.and_then(|room| room.free))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;
    use crate::memory::Bound;

    #[test]
    fn what_is_free_decides_and_where_nobody_tells_a_fixed_number_does() {
        let config = defaults();
        let with =
            |free| images_at_a_time(&config, Some(Room { free, total: 1 << 40, bound: Bound::Machine }));
        assert_eq!((with(Some(1)), with(Some(1 << 40))), (1, 64));
        assert_eq!(with(None), images_at_a_time(&config, None));
    }
}
