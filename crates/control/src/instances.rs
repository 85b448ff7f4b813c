//! Instances: [`launch`], [`lifecycle`] and attributes. See "Amazon EC2 instance lifecycle" in the EC2 User Guide.
//!
//! An action only says what shall be (`pending`, `stopping`, `shutting-down`); whoever runs the sandboxes makes it so and
//! tells [`report`], which moves the state on.

mod attributes;
mod launch;
mod lifecycle;

use std::sync::Arc;

use openvpc_model::{Instance, InstanceId};

use crate::{ControlError, Missing, Tx};

pub(crate) use attributes::only_interface;
pub use attributes::{Attribute, MetadataOptions, modify, modify_metadata_options};
pub use launch::{LaunchInterface, RunInstances, run};
pub use lifecycle::{Observed, StateChange, check_reboot, is_forgotten, prune, report, start, stop, terminate};

/// The caller's instances of those ids, all or none.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, naming all that don't exist.
pub fn find_all(tx: &Tx, ids: &[InstanceId]) -> Result<Vec<Arc<Instance>>, ControlError> {
    let missing: Vec<_> = ids.iter().filter(|id| tx.find::<Instance>(id).is_err()).collect();
    match missing.as_slice() {
        [] => ids.iter().map(|id| tx.find::<Instance>(id)).collect(),
        [id] => Err(Instance::missing(id)),
        many => {
            let many: Vec<_> = many.iter().map(ToString::to_string).collect();
            Err(ControlError::new("InvalidInstanceID.NotFound", format!("The instance IDs '{}' do not exist", many.join(", "))))
        }
    }
}

fn incorrect_state(instance: &Instance, wanted: &str) -> ControlError {
    ControlError::new(
        "IncorrectInstanceState",
        format!(
            "The instance '{}' is {} and not in a state from which it can be {wanted}.",
            instance.id,
            instance.state.as_str()
        ),
    )
}
