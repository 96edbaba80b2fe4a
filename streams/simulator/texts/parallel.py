"""Sentences in English with two renderings each in German, French and Spanish."""

from __future__ import annotations

from typing import Final

_COLUMNS: Final = ("en", "de", "deb", "fr", "frb", "es", "esb")
_ROWS: Final = (
    (
        "Your order {order} left our warehouse on {day}.",
        "Ihre Bestellung {order} hat unser Lager am {day} verlassen.",
        "Am {day} wurde Ihre Bestellung {order} aus unserem Lager versandt.",
        "Votre commande {order} a quitté notre entrepôt le {day}.",
        "Le {day}, votre commande {order} est partie de notre entrepôt.",
        "Su pedido {order} salió de nuestro almacén el {day}.",
        "El {day} enviamos su pedido {order} desde nuestro almacén.",
    ),
    (
        "Please transfer {amount} EUR by {day}.",
        "Bitte überweisen Sie {amount} EUR bis zum {day}.",
        "Wir bitten Sie, bis zum {day} {amount} EUR zu überweisen.",
        "Veuillez virer {amount} EUR avant le {day}.",
        "Nous vous prions de verser {amount} EUR d'ici le {day}.",
        "Le rogamos que transfiera {amount} EUR antes del {day}.",
        "Por favor, abone {amount} EUR hasta el {day}.",
    ),
    (
        "The meeting with {name} starts at {clock} and lasts {small} minutes.",
        "Das Treffen mit {name} beginnt um {clock} Uhr und dauert {small} Minuten.",
        "Um {clock} Uhr beginnt das Treffen mit {name}; es dauert {small} Minuten.",
        "La réunion avec {name} commence à {clock} et dure {small} minutes.",
        "À {clock} commence la réunion avec {name}, qui durera {small} minutes.",
        "La reunión con {name} empieza a las {clock} y dura {small} minutos.",
        "A las {clock} comienza la reunión con {name}, de {small} minutos.",
    ),
    (
        "We have {small} free places left in {city}.",
        "In {city} haben wir noch {small} freie Plätze.",
        "Es gibt in {city} noch {small} freie Plätze.",
        "Il nous reste {small} places libres à {city}.",
        "À {city}, {small} places sont encore disponibles.",
        "Nos quedan {small} plazas libres en {city}.",
        "En {city} todavía hay {small} plazas libres.",
    ),
    (
        "{name} from {company} will call you on {day}.",
        "{name} von {company} ruft Sie am {day} an.",
        "Am {day} meldet sich {name} von {company} telefonisch bei Ihnen.",
        "{name} de {company} vous appellera le {day}.",
        "Le {day}, vous recevrez un appel de {name} de {company}.",
        "{name} de {company} le llamará el {day}.",
        "El {day} recibirá una llamada de {name} de {company}.",
    ),
    (
        "The invoice for order {order} comes to {amount} EUR.",
        "Die Rechnung für die Bestellung {order} beträgt {amount} EUR.",
        "Für die Bestellung {order} stellen wir {amount} EUR in Rechnung.",
        "La facture de la commande {order} s'élève à {amount} EUR.",
        "Pour la commande {order}, nous facturons {amount} EUR.",
        "La factura del pedido {order} asciende a {amount} EUR.",
        "Por el pedido {order} facturamos {amount} EUR.",
    ),
    (
        "Our shop in {city} is closed on {day} until {clock}.",
        "Unser Geschäft in {city} ist am {day} bis {clock} Uhr geschlossen.",
        "Am {day} bleibt unser Laden in {city} bis {clock} Uhr zu.",
        "Notre magasin de {city} est fermé le {day} jusqu'à {clock}.",
        "Le {day}, notre boutique de {city} reste fermée jusqu'à {clock}.",
        "Nuestra tienda de {city} estará cerrada el {day} hasta las {clock}.",
        "El {day} nuestra tienda de {city} no abrirá hasta las {clock}.",
    ),
    (
        "Please keep reference {order} ready when you call us at {clock}.",
        "Bitte halten Sie das Zeichen {order} bereit, wenn Sie uns um {clock} Uhr anrufen.",
        "Wenn Sie um {clock} Uhr anrufen, nennen Sie bitte das Zeichen {order}.",
        "Merci d'avoir la référence {order} sous la main en nous appelant à {clock}.",
        "Quand vous appellerez à {clock}, indiquez la référence {order}.",
        "Tenga a mano la referencia {order} cuando nos llame a las {clock}.",
        "Al llamarnos a las {clock}, indique por favor la referencia {order}.",
    ),
    (
        "The repair takes {small} days and costs {amount} EUR.",
        "Die Reparatur dauert {small} Tage und kostet {amount} EUR.",
        "Für die Reparatur brauchen wir {small} Tage; sie kostet {amount} EUR.",
        "La réparation prend {small} jours et coûte {amount} EUR.",
        "Il faut {small} jours pour la réparation, au prix de {amount} EUR.",
        "La reparación tarda {small} días y cuesta {amount} EUR.",
        "Necesitamos {small} días para la reparación, que cuesta {amount} EUR.",
    ),
    (
        "Thank you for your letter of {day}, which {name} has read with interest.",
        "Vielen Dank für Ihr Schreiben vom {day}, das {name} mit Interesse gelesen hat.",
        "{name} hat Ihr Schreiben vom {day} mit Interesse gelesen und dankt Ihnen.",
        "Merci de votre lettre du {day}, que {name} a lue avec intérêt.",
        "{name} a lu avec intérêt votre lettre du {day} et vous remercie.",
        "Gracias por su carta del {day}, que {name} ha leído con interés.",
        "{name} ha leído con interés su carta del {day} y le da las gracias.",
    ),
    (
        "The delivery to {city} has been postponed by {small} days to {day}.",
        "Die Lieferung nach {city} verschiebt sich um {small} Tage auf den {day}.",
        "Nach {city} liefern wir erst am {day}, also {small} Tage später.",
        "La livraison à {city} est reportée de {small} jours, au {day}.",
        "Nous livrerons {city} le {day}, soit {small} jours plus tard.",
        "La entrega en {city} se aplaza {small} días, al {day}.",
        "Entregaremos en {city} el {day}, es decir, {small} días más tarde.",
    ),
    (
        "A deposit of {amount} EUR is due at {clock} on arrival.",
        "Bei der Ankunft um {clock} Uhr ist eine Anzahlung von {amount} EUR fällig.",
        "Eine Anzahlung von {amount} EUR zahlen Sie bei der Ankunft um {clock} Uhr.",
        "Un acompte de {amount} EUR est dû à l'arrivée à {clock}.",
        "À votre arrivée à {clock}, un acompte de {amount} EUR est à régler.",
        "Se debe un depósito de {amount} EUR a la llegada, a las {clock}.",
        "A su llegada a las {clock} deberá pagar un depósito de {amount} EUR.",
    ),
)

SENTENCES: Final[tuple[dict[str, str], ...]] = tuple(dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS)
"""Sentence → column → template; a column ending in `b` is another rendering in the same language."""
