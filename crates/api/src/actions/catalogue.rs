//! What AWS publishes and openvpc doesn't keep: instance types, images, volumes.
//!
//! Tools look these up before they start an instance or a firewall; the answers are static and say what is true here.

use super::prelude::*;

mod instance_types;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(DescribeImages, describe_images),
    action!(DescribeInstanceTypeOfferings, instance_types::describe_instance_type_offerings),
    action!(DescribeInstanceTypes, instance_types::describe_instance_types),
    action!(DescribeVolumes, describe_volumes),
];

/// The image that is listed to a caller who names none.
pub(crate) const DEFAULT_IMAGE: &str = "ami-00000000000000001";

/// Every image id is the same image: a sandbox over the host's root file system.
fn describe_images(_ctx: &Ctx<'_>, request: shapes::DescribeImagesRequest) -> Result<shapes::DescribeImagesResult, ApiError> {
    let named = !request.image_ids.is_empty();
    let ids = if named { request.image_ids.clone() } else { vec![DEFAULT_IMAGE.to_owned()] };
    let owned = request.owners.is_empty() || request.owners.iter().any(|owner| owner == "amazon" || owner == IMAGE_OWNER);
    let images = ids.iter().filter(|_| owned).map(|id| image(id)).collect();
    let images = filters::select(images, &request.filters, &IMAGE_FIELDS)?;
    let (images, next_token) = page::cut(&request, named, images, |image| image.image_id.as_deref())?;
    Ok(shapes::DescribeImagesResult { images, next_token })
}

/// The account that Amazon publishes its images from.
const IMAGE_OWNER: &str = "137112412989";

fn image(id: &str) -> shapes::Image {
    let text = |text: &str| Some(text.to_owned());
    let disk = shapes::EbsBlockDevice {
        delete_on_termination: Some(true),
        volume_size: Some(8),
        volume_type: text("gp3"),
        encrypted: Some(false),
        ..Default::default()
    };
    shapes::Image {
        architecture: text(if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }),
        block_device_mappings: vec![shapes::BlockDeviceMapping {
            device_name: text("/dev/xvda"),
            ebs: Some(disk),
            ..Default::default()
        }],
        creation_date: text("2026-01-01T00:00:00.000Z"),
        description: text("A sandbox over the host's root file system"),
        ena_support: Some(true),
        hypervisor: text("xen"),
        image_id: text(id),
        image_location: text("amazon/openvpc-sandbox"),
        image_owner_alias: text("amazon"),
        image_type: text("machine"),
        name: text("openvpc-sandbox"),
        owner_id: text(IMAGE_OWNER),
        platform_details: text("Linux/UNIX"),
        public: Some(true),
        root_device_name: text("/dev/xvda"),
        root_device_type: text("ebs"),
        state: text("available"),
        usage_operation: text("RunInstances"),
        virtualization_type: text("hvm"),
        ..Default::default()
    }
}

static IMAGE_FIELDS: Fields<shapes::Image> = Fields {
    tags: Some(|image| &image.tags),
    fields: &[
        ("architecture", |image, m| m.offer(&image.architecture)),
        ("block-device-mapping.delete-on-termination", |image, m| {
            disks(image).for_each(|disk| m.offer(&disk.delete_on_termination))
        }),
        ("block-device-mapping.device-name", |image, m| {
            image.block_device_mappings.iter().for_each(|mapping| m.offer(&mapping.device_name));
        }),
        ("block-device-mapping.encrypted", |image, m| disks(image).for_each(|disk| m.offer(&disk.encrypted))),
        ("block-device-mapping.snapshot-id", |image, m| disks(image).for_each(|disk| m.offer(&disk.snapshot_id))),
        ("block-device-mapping.volume-size", |image, m| disks(image).for_each(|disk| m.offer(&disk.volume_size))),
        ("block-device-mapping.volume-type", |image, m| disks(image).for_each(|disk| m.offer(&disk.volume_type))),
        ("creation-date", |image, m| m.offer(&image.creation_date)),
        ("description", |image, m| m.offer(&image.description)),
        ("ena-support", |image, m| m.offer(&image.ena_support)),
        ("free-tier-eligible", |image, m| m.offer(&image.free_tier_eligible)),
        ("hypervisor", |image, m| m.offer(&image.hypervisor)),
        ("image-allowed", |image, m| m.offer(&image.image_allowed)),
        ("image-id", |image, m| m.offer(&image.image_id)),
        ("image-type", |image, m| m.offer(&image.image_type)),
        ("is-public", |image, m| m.offer(&image.public)),
        ("kernel-id", |image, m| m.offer(&image.kernel_id)),
        ("manifest-location", |image, m| m.offer(&image.image_location)),
        ("name", |image, m| m.offer(&image.name)),
        ("owner-alias", |image, m| m.offer(&image.image_owner_alias)),
        ("owner-id", |image, m| m.offer(&image.owner_id)),
        ("platform", |image, m| m.offer(&image.platform)),
        ("product-code", |image, m| image.product_codes.iter().for_each(|of| m.offer(&of.product_code_id))),
        ("product-code.type", |image, m| image.product_codes.iter().for_each(|of| m.offer(&of.product_code_type))),
        ("ramdisk-id", |image, m| m.offer(&image.ramdisk_id)),
        ("root-device-name", |image, m| m.offer(&image.root_device_name)),
        ("root-device-type", |image, m| m.offer(&image.root_device_type)),
        ("source-image-id", |image, m| m.offer(&image.source_image_id)),
        ("source-image-region", |image, m| m.offer(&image.source_image_region)),
        ("source-instance-id", |image, m| m.offer(&image.source_instance_id)),
        ("sriov-net-support", |image, m| m.offer(&image.sriov_net_support)),
        ("state", |image, m| m.offer(&image.state)),
        ("state-reason-code", |image, m| image.state_reason.iter().for_each(|of| m.offer(&of.code))),
        ("state-reason-message", |image, m| image.state_reason.iter().for_each(|of| m.offer(&of.message))),
        ("virtualization-type", |image, m| m.offer(&image.virtualization_type)),
    ],
};

fn disks(image: &shapes::Image) -> impl Iterator<Item = &shapes::EbsBlockDevice> {
    image.block_device_mappings.iter().filter_map(|mapping| mapping.ebs.as_ref())
}

/// There are none: a sandbox has the host's root file system.
fn describe_volumes(_ctx: &Ctx<'_>, request: shapes::DescribeVolumesRequest) -> Result<shapes::DescribeVolumesResult, ApiError> {
    if let Some(id) = request.volume_ids.first() {
        let digits = id.strip_prefix("vol-").filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        return Err(match digits.map(str::len) {
            Some(8 | 17) => ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
            _ => ApiError::new("InvalidVolumeID.Malformed", format!("Invalid id: \"{id}\" (expecting \"vol-...\")")),
        });
    }
    let volumes = filters::select(Vec::new(), &request.filters, &VOLUME_FIELDS)?;
    let (volumes, next_token) = page::cut(&request, false, volumes, |volume| volume.volume_id.as_deref())?;
    Ok(shapes::DescribeVolumesResult { volumes, next_token })
}

static VOLUME_FIELDS: Fields<shapes::Volume> = Fields {
    tags: Some(|volume| &volume.tags),
    fields: &[
        ("attachment.attach-time", |volume, m| volume.attachments.iter().for_each(|a| m.offer(&a.attach_time))),
        ("attachment.delete-on-termination", |volume, m| {
            volume.attachments.iter().for_each(|a| m.offer(&a.delete_on_termination))
        }),
        ("attachment.device", |volume, m| volume.attachments.iter().for_each(|a| m.offer(&a.device))),
        ("attachment.instance-id", |volume, m| volume.attachments.iter().for_each(|a| m.offer(&a.instance_id))),
        ("attachment.status", |volume, m| volume.attachments.iter().for_each(|a| m.offer(&a.state))),
        ("availability-zone", |volume, m| m.offer(&volume.availability_zone)),
        ("availability-zone-id", |volume, m| m.offer(&volume.availability_zone_id)),
        ("create-time", |volume, m| m.offer(&volume.create_time)),
        ("encrypted", |volume, m| m.offer(&volume.encrypted)),
        ("fast-restored", |volume, m| m.offer(&volume.fast_restored)),
        ("multi-attach-enabled", |volume, m| m.offer(&volume.multi_attach_enabled)),
        ("operator.managed", |volume, m| volume.operator.iter().for_each(|of| m.offer(&of.managed))),
        ("operator.principal", |volume, m| volume.operator.iter().for_each(|of| m.offer(&of.principal))),
        ("size", |volume, m| m.offer(&volume.size)),
        ("snapshot-id", |volume, m| m.offer(&volume.snapshot_id)),
        ("status", |volume, m| m.offer(&volume.state)),
        ("volume-id", |volume, m| m.offer(&volume.volume_id)),
        ("volume-type", |volume, m| m.offer(&volume.volume_type)),
    ],
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::testing::api;

    #[test]
    fn any_image_id_is_the_sandbox() {
        let answer = api().call("DescribeImages", &[("ImageId.1", "ami-0abc"), ("ImageId.2", "ami-0def")]).unwrap();
        assert_eq!(answer["Images"][1]["ImageId"], "ami-0def");
        assert_eq!(answer["Images"][1]["Name"], "openvpc-sandbox");
        assert_eq!(answer["Images"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn images_are_filtered_by_owner_and_name() {
        let count =
            |parameters: &[(&str, &str)]| api().call("DescribeImages", parameters).unwrap()["Images"].as_array().unwrap().len();
        assert_eq!(count(&[("Owner.1", "amazon"), ("Filter.1.Name", "name"), ("Filter.1.Value.1", "openvpc-*")]), 1);
        assert_eq!(count(&[("Owner.1", "self")]), 0);
        assert_eq!(count(&[("Filter.1.Name", "architecture"), ("Filter.1.Value.1", "pdp-11")]), 0);
    }

    #[test]
    fn there_are_no_volumes() {
        let api = api();
        assert_eq!(api.call("DescribeVolumes", &[]).unwrap(), serde_json::json!({"Volumes": []}));
        assert_eq!(api.code("DescribeVolumes", &[("VolumeId.1", "vol-1a2b3c4d")]), "InvalidVolume.NotFound");
        assert_eq!(api.code("DescribeVolumes", &[("VolumeId.1", "vol-x")]), "InvalidVolumeID.Malformed");
        assert_eq!(
            api.code("DescribeVolumes", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]),
            "InvalidParameterValue"
        );
    }
}
